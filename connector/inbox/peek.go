package inbox

import (
	"context"

	"github.com/chartwire/chartwire/connector"
)

// Peek opens a session as Session does, but does not count as something its user did: for what a page asks for by itself, such
// as its own parts after a change. Otherwise a thread in which something goes on would keep a session that nobody sits at.
// Errors as Session's.
func (d *Desk) Peek(ctx context.Context, id, handle string) (*Session, error) {
	k, err := d.find(ctx, id)
	if err != nil {
		return nil, err
	}
	if !same(k.row.Handle, d.mac("handle", id, handle)) {
		return nil, connector.ErrNotFound
	}
	if err := d.goesOn(ctx, &k); err != nil {
		return nil, err
	}
	return d.as(&k, d.seen(&k)), nil
}
