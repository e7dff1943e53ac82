package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
)

const metaBase = "identity.base"

// tenants gives each configured EHR its id, minted once, and holds identity.base to what it was when the store was new:
// every identifier on every chart begins with it.
func tenants(ctx context.Context, s connector.Store, c *config.Config, now time.Time) (map[string]string, error) {
	ids := map[string]string{}
	err := s.Update(ctx, "tenants", func(tx connector.Tx) error {
		base, err := tx.Meta(metaBase)
		switch {
		case errors.Is(err, connector.ErrNotFound):
			err = tx.PutMeta(metaBase, c.Identity.Base)
		case err == nil && base != c.Identity.Base:
			err = fmt.Errorf("identity.base is %s in the configuration and %s in the store: it cannot change once it has been used; write %s", c.Identity.Base, base, base)
		}
		if err != nil {
			return err
		}
		for _, e := range c.EHRs {
			row, err := tx.EHRByName(e.Name)
			if errors.Is(err, connector.ErrNotFound) {
				row = connector.EHRRow{ID: connector.NewID(now), Name: e.Name}
				err = tx.PutEHR(row)
			}
			if err != nil {
				return err
			}
			ids[e.Name] = row.ID
		}
		return nil
	})
	return ids, err
}
