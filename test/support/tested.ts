type Kind = 'Redis client' | 'Redis server' | 'Server' | 'Client' | 'In front' | 'Mounted on' | 'Node';

export function tested(_kind: Kind, _name: string, _version: string): void {}
