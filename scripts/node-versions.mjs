/** The major versions of Node.js that the tests run on before a change lands: the README's table names them. */
export const NODE_VERSIONS = ['20', '22', '24', '26'];
