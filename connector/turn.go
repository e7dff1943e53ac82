package connector

import "context"

type turnKey struct{}

// WithTurns makes each request of a work wait for its turn: next is called before every one of them, one at a time.
func WithTurns(ctx context.Context, next func(ctx context.Context) error) context.Context {
	return context.WithValue(ctx, turnKey{}, next)
}

// Turn waits until the next request under ctx may leave; an adapter asks before each request of an answer that takes several, such
// as a search in pages. An error says that none may leave now: the work ends with it. Without WithTurns all may.
func Turn(ctx context.Context) error {
	if next, ok := ctx.Value(turnKey{}).(func(context.Context) error); ok {
		return next(ctx)
	}
	return nil
}
