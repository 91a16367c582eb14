import net from 'node:net';
import { TrustedNetworks } from '../../src/base/trusted-networks';

describe('a list of networks', () => {
  it.each<[networks: string[], inside: string[], outside: string[]]>([
    [['10.1.2.3/8'], ['10.0.0.0', '10.255.255.255', '::ffff:10.0.0.1', '::ffff:a00:1'], ['11.0.0.0', '::ffff:11.0.0.1', '::a00:1']],
    [['192.0.2.7'], ['192.0.2.7', '::ffff:192.0.2.7'], ['192.0.2.6', '192.0.2.8']],
    [['192.0.2.128/25'], ['192.0.2.128'], ['192.0.2.127']],
    [['0.0.0.0/0'], ['1.2.3.4', '::ffff:1.2.3.4'], ['::1', '2001:db8::1']],
    [['2001:db8::/33', '::1'], ['2001:db8:7fff::1', '::1', '0:0:0:0:0:0:0:1'], ['2001:db8:8000::1', '::2', '127.0.0.1', '0.0.0.1']],
    [['::ffff:10.0.0.0/104'], ['10.0.0.1', '::ffff:10.0.0.1'], ['11.0.0.1']],
    [['loopback'], ['127.0.0.1', '127.255.0.1', '::1', '::ffff:127.0.0.1'], ['128.0.0.1', '::2', 'fe80::1']],
    [['linklocal'], ['169.254.0.1', 'fe80::1', 'fe80::1%eth0'], ['169.255.0.1', 'fec0::1']],
    [['uniquelocal'], ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.0.1', 'fd00::1'], ['172.32.0.1', '192.169.0.1', 'fe00::1']],
    [['::1', '10.0.0.0/8'], [], ['', 'unknown', '10.0.0', '10.0.0.1:80', '[::1]', ' ::1', '%', '10.0.0.1, 1.1.1.1']],
  ])('%j', (networks, inside, outside) => {
    const list = new TrustedNetworks(networks);
    expect(inside.filter((address) => !list.has(address))).toEqual([]);
    expect(outside.filter((address) => list.has(address))).toEqual([]);
  });

  it('asks a connection for its address once, and one that has ended each time', () => {
    const list = new TrustedNetworks(['10.0.0.0/8']);
    let asked = 0;
    const socket = new net.Socket();
    Object.defineProperty(socket, 'remoteAddress', { get: () => (asked += 1, '10.0.0.1') });
    expect([list.trusts(socket), list.trusts(socket), asked]).toEqual([true, true, 1]);
    const gone = new net.Socket().destroy();
    Object.defineProperty(gone, 'remoteAddress', { get: () => (asked += 1, undefined) });
    expect([list.trusts(gone), list.trusts(gone), asked]).toEqual([false, false, 3]);
  });
});
