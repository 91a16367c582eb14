import type { OwnProcess } from '../../operating/own-process';
import type { Answer, Question, Topic } from './questions';

/** Answers a question of the primary. Rejects if the store or a host cannot be asked. */
export async function answerTo(question: Question, own: OwnProcess): Promise<Answer<Topic>> {
  switch (question.about) {
    case 'totals': return own.totals();
    case 'metrics': return (await own.processMetrics()).flatMap(({ metrics }) => metrics);
    case 'find': return own.sessions.find(question.sid);
    case 'end': return own.sessions.end(question.sid);
    case 'endSome': return own.sessions.endSome(question.host, question.count);
    case 'forgetEnded':
      own.forgetEnded(question.sid, question.ago);
      return true;
    case 'forget':
      own.sessions.forget(question.sid);
      return true;
  }
}
