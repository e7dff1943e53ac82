package inbox

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/audit"
)

// How long the EHR's word about who a user is counts; how long it goes on counting while the EHR does not answer; how long a
// request waits for that answer; and how often an EHR that did not answer is asked again.
const (
	rolesFor   = 15 * time.Minute
	rolesKept  = 15 * time.Minute
	rolesWait  = 10 * time.Second
	rolesAgain = time.Minute
)

// rolesAt is when the EHR said who the session's user is.
func (k *kept) rolesAt() time.Time {
	if k.body.RolesAt.IsZero() {
		return k.row.CreatedAt
	}
	return k.body.RolesAt
}

// as is a session as it may be used now: one whose user's roles the EHR has not confirmed for too long only reads, and is in no
// pool that is known. seen is when its user did something last.
func (d *Desk) as(k *kept, seen time.Time) *Session {
	s := k.session(seen)
	if d.now().Sub(k.rolesAt()) >= rolesFor+rolesKept {
		s.Role, s.Pools, s.Unsure = ReadOnly, nil, k.rolesAt()
	}
	return s
}

// freshRoles reads the user anew with their own token where the EHR's last word is 15 minutes old, and gives them the role and the
// pools that a sign-in now would give: somebody whose roles the EHR has ended loses them here too, and one who would not be let in
// any more is signed out. It belongs to requests of a user: a page that idles asks nothing.
//
// Where the EHR does not answer, or not within ten seconds, the last role and pools are kept for another 15 minutes, and it is
// asked again a minute later: a nurse must be able to go on answering while the EHR is down for a moment, and whom they may open is
// asked apart from it (see Rights). After that the session only reads and is in no pool until the EHR answers. Errors: *Ended;
// ErrStore; the context's.
func (d *Desk) freshRoles(ctx context.Context, k *kept) error {
	if d.now().Sub(k.rolesAt()) < rolesFor {
		return nil
	}
	done, err := d.rolesTurn(ctx, k.row.ID)
	if err != nil {
		return err
	}
	defer done()
	if *k, err = d.going(ctx, k.row.ID); err != nil { // who waited for another finds what that one read
		return err
	}
	if now := d.now(); now.Sub(k.rolesAt()) < rolesFor || now.Before(d.rolesNext(k.row.ID)) {
		return nil
	}
	d.rolesAsked(k.row.ID, d.now().Add(rolesAgain))
	who := &signedIn{grant: k.body.Grant}
	who.grant.User = k.row.User
	bounded, cancel := context.WithTimeout(ctx, rolesWait)
	err = d.asUser(bounded, k.session(d.now()), func(ctx context.Context, access string) error {
		who.grant.Access = access
		return d.identify(ctx, k.ehr, who)
	})
	cancel()
	var refused *Refusal
	switch {
	case err == nil:
		return d.keepRoles(ctx, k, who)
	case errors.As(err, &refused) && (refused.Code == NoPermission || refused.Code == ScopeMissing):
		if err := d.end(ctx, k, EndedNoRole, workerAgent, ""); err != nil {
			return err
		}
		return &Ended{Why(k.row.Why)}
	case errors.As(err, new(*Ended)), errors.Is(err, connector.ErrStore), errors.Is(err, connector.ErrNotFound):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	d.o.Log.Warn("inbox: the EHR did not say which roles a user has", "ehr", k.ehr.Name, "session", k.row.ID, "error", err)
	return nil
}

// keepRoles keeps what the EHR said of a session's user, with an audit row where it changes what they may do.
func (d *Desk) keepRoles(ctx context.Context, k *kept, who *signedIn) error {
	now := d.now()
	return d.alter(ctx, k, func(tx connector.Tx, k *kept) error {
		if why := d.over(k, now); why != "" {
			return &Ended{why}
		}
		changed := k.body.Role != who.role || !slices.Equal(k.body.Pools, who.pools)
		k.body.User, k.body.Role, k.body.Pools, k.body.RolesAt = who.user, who.role, who.pools, now
		k.row.SeenAt = now
		if !changed {
			return nil
		}
		row := act{audit.Login, audit.Execute, audit.Success, map[string]string{"act": "roles", "role": string(who.role), "pools": strings.Join(who.pools, " ")}}
		return tx.Audit(row.record(k.ehr, k.row.ID, k.row.User, now))
	})
}

// rolesTurn waits for whoever reads the session's user in this process; done lets the next one.
func (d *Desk) rolesTurn(ctx context.Context, session string) (done func(), err error) {
	d.mu.Lock()
	turn := d.of(session).roles
	d.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// rolesNext is when an EHR that did not answer may be asked about a session's user again.
func (d *Desk) rolesNext(session string) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.of(session).rolesNext
}

func (d *Desk) rolesAsked(session string, next time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.of(session).rolesNext = next
}
