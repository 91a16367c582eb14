// Ends with 0 if the proxy answers a plain GET of its path in time, and has a host that is up; else with 1.
const [url = 'http://127.0.0.1:4000/socket.io/'] = process.argv.slice(2);

try {
  const { status } = await fetch(url, { signal: AbortSignal.timeout(2000) });
  console.log(`${url}: ${status}`);
  // 400 is what Socket.IO says to it, through the proxy. 503 is the proxy's own: no host is up, or it is closing.
  process.exitCode = status < 500 ? 0 : 1;
} catch (error) {
  console.log(`${url}: ${error.cause?.code ?? error.name}`);
  process.exitCode = 1;
}
