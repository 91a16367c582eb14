import { call, whenChanged, whenUnauthorized } from './api.js';
import { Charts } from './charts.js';
import { byId } from './dom.js';
import { addEvent, announceEvents } from './events.js';
import { figuresOf, rowsOf, showFigures, startFigures } from './figures.js';
import { showFleet, startFleet } from './fleet.js';
import { showConnection, showHeader } from './header.js';
import { hostActions, startHostActions } from './host-actions.js';
import { HostsTable } from './hosts.js';
import { lock, startLock, unlock } from './lock.js';
import { Rates, withShares } from './rates.js';
import { showRebalance, startRebalance } from './rebalance.js';
import { showRollout, startRollout } from './rollout.js';
import { startSession } from './session.js';
import { keepSlots } from './slots.js';
import { Stream } from './stream.js';

const table = new HostsTable(hostActions);
const charts = new Charts();
const rates = new Rates();

/** What was told last, and the rows of its hosts. */
let last;

function take(snapshot) {
  keepSlots(snapshot.hosts.map(({ host }) => host));
  last = { snapshot, rows: rates.rows(snapshot) };
  charts.push(last.rows);
  show();
  announceEvents();
}

/** Asks anew after a change, so that the page shows it at once. What the stream tells next makes good a failure. */
async function refresh() {
  const snapshot = await call('GET', '/api/hosts').catch(() => undefined);
  if (snapshot === undefined || last === undefined) return;
  // It has the latency since the start, and not of late as the stream has it.
  const latencies = new Map(last.rows.map(({ host, latency }) => [host, latency]));
  const hosts = snapshot.hosts.map((host) => ({ ...host, latency: latencies.get(host.host) ?? null }));
  keepSlots(hosts.map(({ host }) => host));
  const latest = { ...snapshot, hosts };
  last = { snapshot: latest, rows: rates.rows(latest) };
  show();
}

/** What was told last, with the figures that are wanted at present. */
function show() {
  if (last === undefined) return;
  const { snapshot } = last;
  const { fleet, summary } = snapshot;
  const figures = figuresOf(fleet);
  const rows = withShares(rowsOf(last.rows, figures));
  showFigures(fleet);
  showFleet(fleet, summary.uptime);
  showHeader(snapshot, rows, figures);
  table.show(rows, figures);
  charts.show(figures);
  showRebalance(summary.rebalance);
  showRollout(snapshot.rollout);
}

const stream = new Stream(
  (type, data) => {
    if (type === 'hosts') take(data);
    else if (type === 'change') addEvent(data);
  },
  (state) => {
    if (state.name === 'live') unlock();
    else charts.gap();
    showConnection(state);
  },
);

whenUnauthorized(lock);
whenChanged(refresh);
startLock(() => stream.retry());
startFigures(show);
startFleet();
startHostActions();
startSession();
startRebalance();
startRollout();
byId('retry').addEventListener('click', () => stream.retry());
addEventListener('online', () => stream.retry());
void stream.run();
