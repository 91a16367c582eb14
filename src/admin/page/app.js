import { whenUnauthorized } from './api.js';
import { Charts } from './charts.js';
import { byId } from './dom.js';
import { addEvent, announceEvents } from './events.js';
import { showConnection, showHeader } from './header.js';
import { hostActions, startHostActions } from './host-actions.js';
import { HostsTable } from './hosts.js';
import { lock, startLock, unlock } from './lock.js';
import { Rates } from './rates.js';
import { showRebalance, startRebalance } from './rebalance.js';
import { startSession } from './session.js';
import { keepSlots } from './slots.js';
import { Stream } from './stream.js';

const table = new HostsTable(hostActions);
const charts = new Charts();
const rates = new Rates();

function showHosts({ hosts, summary }) {
  keepSlots(hosts.map(({ host }) => host));
  const rows = rates.rows({ hosts, summary });
  showHeader(summary, rows);
  table.show(rows);
  charts.push(rows);
  showRebalance(summary.rebalance);
  announceEvents();
}

const stream = new Stream(
  (type, data) => {
    if (type === 'hosts') showHosts(data);
    else if (type === 'change') addEvent(data);
  },
  (state) => {
    if (state.name === 'live') unlock();
    else charts.gap();
    showConnection(state);
  },
);

whenUnauthorized(lock);
startLock(() => stream.retry());
startHostActions();
startSession();
startRebalance();
byId('retry').addEventListener('click', () => stream.retry());
addEventListener('online', () => stream.retry());
void stream.run();
