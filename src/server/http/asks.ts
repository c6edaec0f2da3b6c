/** Access that a route asks for before its body is read: nobody is told what is wrong with what he may not send. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { requireAccess, type Action } from '../../network/access.ts';
import type { ServerContext } from '../context.ts';

/** A route's `onRequest`, for actions that do not depend on what the request is about. */
export const asks =
  ({ network, identify }: ServerContext, action: Action) =>
  (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void => {
    try {
      requireAccess(network.settings, identify(request.raw), action);
      done();
    } catch (error) {
      done(error as Error);
    }
  };
