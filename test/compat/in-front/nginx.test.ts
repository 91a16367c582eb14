import { startNginx } from '../../support/nginx';
import { describeBehind } from './suite';

describe('behind nginx', () => describeBehind(startNginx, 1200));
