package deliver

import (
	"context"
	"errors"
	"slices"

	"github.com/chartwire/chartwire/connector"
)

// unfiled decides about an entry whose write the database does not know as filed. It may be under way, or wait for a person:
// then it is not compared. But several entries of one identity are a duplicate whatever the database knows: a collision
// parks the exchange, and who reads the parked list need not look for the second entry himself.
func (r *reconciler) unfiled(ctx context.Context, row connector.WriteRow, x connector.ChartEntry) error {
	if r.unsure[row.ID] {
		return nil
	}
	r.unsure[row.ID] = true
	there := []string{x.Reference}
	q := connector.ChartQuery{Type: x.Type, Identity: row.Write.Identity, Patient: row.Write.Expect.Subject}
	err := r.pages(ctx, q, func(other connector.ChartEntry) error {
		if slices.Contains(other.Ours, row.Write.Identity) && !slices.Contains(there, other.Reference) {
			there = append(there, other.Reference)
		}
		return nil
	})
	if err != nil && !errors.Is(err, connector.ErrNotSearchable) {
		return err
	}
	if len(there) == 1 {
		r.report.Moving++
		return nil
	}
	slices.Sort(there)
	f := Finding{Kind: FoundDuplicate, Thread: row.Thread, Item: row.Item, Reference: there[0], Others: there[1:],
		Sentence: "more than one entry carries this identifier, and none of them is known as filed: see the item in chartwire parked list"}
	err = r.e.store.View(ctx, func(tx connector.Tx) (err error) {
		f.Attempts, err = traceAttempts(tx, r.c.ID, row.ID, nil, false)
		return err
	})
	if err != nil {
		return err
	}
	return r.tell(ctx, f)
}
