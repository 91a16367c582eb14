// Leaves out of the API reference what would only repeat, or is not ours to describe.
import { Converter, ReflectionKind } from 'typedoc';

export function load({ converter }) {
  converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    for (const method of project.getReflectionsByKind(ReflectionKind.Method)) {
      // An interface says what its classes do, and a first overload what all of them do.
      if (method.implementationOf) project.removeReflection(method);
      else for (const overload of method.signatures.slice(1)) project.removeReflection(overload);
    }
    // A Redis client's members are the business of its package.
    const client = project.getChildByName('RedisClient');
    for (const member of [...client?.children ?? []]) project.removeReflection(member);
  });
}
