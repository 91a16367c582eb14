module.exports = {
  apps: [
    {
      name: 'socket.io-proxy',
      script: './node_modules/socket.io-proxy2/dist/cli.js',
      args: [
        '--hosts', 'localhost:3000,localhost:3001,localhost:3002',
        '--port', '4000',
        '--drain-timeout', '30000',
      ],
      env: {
        // Here rather than in `args`, which PM2 shows.
        SOCKETIO_PROXY_REDIS: process.env.SOCKETIO_PROXY_REDIS || 'redis://localhost:6379',
      },
      // The command is a process of its own; PM2's cluster mode would have it share its port with others.
      exec_mode: 'fork',
      instances: 1,
      // SIGINT, which PM2 stops with, drains. In ms, and more than --drain-timeout.
      kill_timeout: 40_000,
      // What it was given is mistaken: another start would not help.
      stop_exit_codes: [2],
      exp_backoff_restart_delay: 100,
      // The log of the command has no times.
      time: true,
    },
  ],
};
