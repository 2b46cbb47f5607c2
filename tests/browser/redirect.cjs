// What goes to localhost:8765 arrives at PORT: what --host-resolver-rules does in Chromium.
const net = require('node:net');

const connect = net.connect;

net.connect = (options, ...rest) => {
  const redirected = { ...options, host: '127.0.0.1', port: process.env.PORT };
  return connect(`${options.host}:${options.port}` === 'localhost:8765' ? redirected : options, ...rest);
};
