package app

import (
	"context"
	"time"

	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/store"
)

// OpenStore opens the configured store for a command that reads it, with the clock to audit by. On SQLite it fails while
// serve runs, since one process holds the file.
func OpenStore(ctx context.Context, c *config.Config) (connector.Store, func() time.Time, error) {
	keys, err := openKeys(c)
	if err != nil {
		return nil, nil, err
	}
	s, err := store.Open(ctx, storeURL(c), store.Options{Sealer: keys, Lease: c.Store.Lease})
	if err != nil {
		return nil, nil, err
	}
	return s, clock.System.Now, nil
}
