package inbox

import (
	"context"
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/audit"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/fhir/smart"
)

// How tokens are refreshed: so long before they expire, of those that live for longer than four times that; in at most so long,
// which is more than the request may take; and how often those who wait for it look.
const (
	refreshEarly = 30 * time.Second
	refreshFor   = 40 * time.Second
	refreshLook  = 100 * time.Millisecond
)

// asUser calls the EHR with the session's own token, refreshed before it expires and once where the EHR does not take it.
// Errors: *Ended where the user has to sign in again; otherwise those of do, or *connector.Retry where the token could not be
// refreshed now.
func (d *Desk) asUser(ctx context.Context, s *Session, do func(ctx context.Context, access string) error) error {
	access, err := d.access(ctx, s, "")
	if err != nil {
		return err
	}
	if err = do(ctx, access); !unauthorized(err) {
		return err
	}
	if access, err = d.access(ctx, s, access); err != nil {
		return err
	}
	if err = do(ctx, access); !unauthorized(err) {
		return err
	}
	k, err := d.going(ctx, s.ID)
	if err != nil {
		return err
	}
	return d.mustSignIn(ctx, &k)
}

func unauthorized(err error) bool {
	var refused *connector.Refused
	return errors.As(err, &refused) && refused.Reason == connector.Unauthorized
}

// mustSignIn ends a session whose tokens the EHR does not take any more.
func (d *Desk) mustSignIn(ctx context.Context, k *kept) error {
	if err := d.end(ctx, k, EndedByEHR, workerAgent, ""); err != nil {
		return err
	}
	return &Ended{Why(k.row.Why)}
}

// access gives a token that has not expired and is not the one spent, which the EHR refused. One asks for a new one, and the
// others, here and at other replicas, wait for what comes of it: the row says that somebody is at it. Nobody asks twice: what the
// EHR gave when it was asked is used as long as it lives, however short that is, and where it is the one that it refused, the user
// has to sign in again.
func (d *Desk) access(ctx context.Context, s *Session, spent string) (string, error) {
	asked := false
	var theirs string           // the refresh that is waited for,
	var giveUp <-chan time.Time // until nobody can be at it any more, by this process's own clock
	for {
		k, err := d.going(ctx, s.ID)
		if err != nil {
			return "", err
		}
		if token, ok := k.usable(spent, asked, d.now()); ok {
			return token, nil
		}
		if k.body.Grant.Refresh == "" || asked && k.body.Grant.Access == spent {
			return "", d.mustSignIn(ctx, &k)
		}
		if asked {
			return "", &connector.Retry{Reason: connector.EHRUnavailable, Cause: errShortLived}
		}
		if at := k.body.Refreshing; at != "" && at != theirs {
			theirs, giveUp = at, d.o.Clock.NewTimer(refreshFor).C()
		}
		if k.body.Refreshing != "" && !fired(giveUp) {
			if err := clock.Sleep(ctx, d.o.Clock, refreshLook); err != nil {
				return "", err
			}
			continue
		}
		if asked, err = d.refresh(ctx, &k); err != nil {
			return "", err
		}
	}
}

// errShortLived says that there is no token that could be used.
var errShortLived = errors.New("the token that the EHR gave had expired when it came")

// fired says whether a timer has run out.
func fired(timer <-chan time.Time) bool {
	select {
	case <-timer:
		return true
	default:
		return false
	}
}

// usable gives the session's token where it may be used for a while yet, or for as long as it lives where there is no other:
// nothing to refresh it by, or the EHR was asked just now.
func (k *kept) usable(spent string, asked bool, now time.Time) (string, bool) {
	g := &k.body.Grant
	came := k.body.Got
	if came.IsZero() {
		came = k.row.CreatedAt
	}
	early := max(0, min(refreshEarly, g.Expires.Sub(came)/4))
	if g.Refresh == "" || asked {
		early = 0
	}
	return g.Access, g.Access != "" && g.Access != spent && (g.Expires.IsZero() || now.Add(early).Before(g.Expires))
}

// refresh asks for new tokens, once it is committed that this replica does so. The caller going away does not stop it: the
// EHR may have ended the old tokens by then. Nothing is asked where another replica has changed the session since k; asked says
// whether anything was.
func (d *Desk) refresh(ctx context.Context, k *kept) (asked bool, err error) {
	mine := connector.NewID(d.now())
	old := k.body.Grant.Access
	err = d.alter(ctx, k, func(_ connector.Tx, fresh *kept) error {
		if !fresh.row.EndedAt.IsZero() || fresh.body.Grant.Access != old || fresh.body.Refreshing != k.body.Refreshing {
			return errAsItWas
		}
		fresh.body.Refreshing = mine
		return nil
	})
	if err != nil || k.body.Refreshing != mine {
		return false, err
	}
	ctx = context.WithoutCancel(ctx)
	bounded, done := context.WithTimeout(ctx, refreshFor)
	grant, err := k.ehr.App.Refresh(bounded, k.body.Grant)
	done()
	if err != nil {
		return true, d.notRefreshed(ctx, k, mine, err)
	}
	now := d.now()
	over := false
	err = d.alter(ctx, k, func(tx connector.Tx, k *kept) error {
		if over = !k.row.EndedAt.IsZero(); over {
			return errAsItWas
		}
		k.body.Grant, k.body.Got, k.body.Refreshing = grant, now, ""
		return tx.Audit(act{audit.Token, audit.Execute, audit.Success, map[string]string{"act": "refresh"}}.record(k.ehr, k.row.ID, k.row.User, now))
	})
	if over { // it ended while the EHR was asked: what it gave is used by nobody
		d.revoke(k.ehr, k.row.ID, k.row.User, grant)
		return true, &Ended{Why(k.row.Why)}
	}
	return true, err
}

// notRefreshed says what follows from a refresh that gave nothing: an EHR that refused ends the session, one that could not be
// asked is asked again at the next need.
func (d *Desk) notRefreshed(ctx context.Context, k *kept, mine string, cause error) error {
	now := d.now()
	code := refusal(cause).Code
	gone := code == smart.Expired || code == smart.TokenRefused || code == smart.ContextChanged
	err := d.alter(ctx, k, func(tx connector.Tx, k *kept) error {
		if !k.row.EndedAt.IsZero() {
			return errAsItWas
		}
		if k.body.Refreshing == mine {
			k.body.Refreshing = ""
		}
		return tx.Audit(act{audit.Token, audit.Execute, audit.MinorFailure, map[string]string{"act": "refresh", "why": code}}.
			record(k.ehr, k.row.ID, k.row.User, now))
	})
	switch {
	case err != nil:
		return err
	case gone:
		return d.mustSignIn(ctx, k)
	}
	return &connector.Retry{Reason: connector.EHRUnavailable, Cause: cause}
}
