import { startHaproxy } from '../../support/haproxy';
import { describeBehind } from './suite';

describe('behind HAProxy', () => describeBehind(startHaproxy, 100));
