package inbox

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/audit"
	"github.com/chartwire/chartwire/fhir/smart"
)

// SignedIn is an open session as an administrator sees it. It says nothing of a patient.
type SignedIn struct {
	ID    string         `json:"id"`
	EHR   string         `json:"ehr"` // config name
	User  string         `json:"user"`
	Role  connector.Role `json:"role"`
	Since time.Time      `json:"since"`
	Seen  time.Time      `json:"seen"` // to the minute
}

// UserSessions lists the open sessions of a user, under whichever of their references they signed in, for an administrator: by is the agent of the audit log. ehr "" is every EHR
// connection that can be launched from; ErrNotFound where none has the name.
func (d *Desk) UserSessions(ctx context.Context, ehr, user, by string) ([]SignedIn, error) {
	ehrs, err := d.named(ehr)
	out := []SignedIn{}
	for _, e := range ehrs {
		found, err := d.userSessions(ctx, e, user, by)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, err
}

func (d *Desk) userSessions(ctx context.Context, e EHR, user, by string) (out []SignedIn, err error) {
	now := d.now()
	err = d.update(ctx, e.ID, user, func(tx connector.Tx) error {
		out = nil
		all, err := d.sessionsOfPerson(tx, e, user)
		if err != nil {
			return err
		}
		for _, k := range all {
			if d.over(&k, now) == "" {
				out = append(out, SignedIn{k.row.ID, e.Name, k.row.User, k.body.Role, k.row.CreatedAt, k.row.SeenAt})
			}
		}
		return tx.Audit(about(audit.Read, "sessions", user, len(out)).by(by, e, now))
	})
	return out, err
}

// about is an administrator's act on a user's sessions.
func about(action audit.Action, what, user string, n int) act {
	return act{audit.Admin, action, audit.Success, map[string]string{"act": what, "reference": user, "count": strconv.Itoa(n)}}
}

// EndUser ends every session of a user, under whichever of their references they signed in, for an administrator: by is the agent
// of the audit log. ehr "" is every EHR connection that can be launched from. It says how many. ErrNotFound where no connection has the name.
func (d *Desk) EndUser(ctx context.Context, ehr, user, by string) (int, error) {
	ehrs, err := d.named(ehr)
	total := 0
	for _, e := range ehrs {
		n, err := d.endUser(ctx, e, user, by)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, err
}

func (d *Desk) endUser(ctx context.Context, e EHR, user, by string) (int, error) {
	var all []kept
	var spent []smart.Grant
	now := d.now()
	err := d.update(ctx, e.ID, user, func(tx connector.Tx) (err error) {
		spent = nil
		if all, err = d.sessionsOfPerson(tx, e, user); err != nil {
			return err
		}
		for i := range all {
			spent = append(spent, all[i].close(EndedByAdmin, now))
			if err := all[i].put(tx); err != nil {
				return err
			}
			if err := tx.Audit(all[i].logout(EndedByAdmin, by, "", now)); err != nil {
				return err
			}
		}
		return tx.Audit(about(audit.Execute, "end-sessions", user, len(all)).by(by, e, now))
	})
	if err != nil {
		return 0, err
	}
	for i := range all {
		d.ended(&all[i], spent[i])
	}
	return len(all), nil
}

// named gives the EHR connection of this name, all of them for "". ErrNotFound where there is none.
func (d *Desk) named(ehr string) ([]EHR, error) {
	var out []EHR
	for _, name := range slices.Sorted(maps.Keys(d.o.EHRs)) {
		if ehr == "" || ehr == name {
			out = append(out, d.o.EHRs[name])
		}
	}
	if len(out) == 0 {
		return nil, connector.ErrNotFound
	}
	return out, nil
}

// sessionsOfPerson reads the sessions that have not ended of whoever a reference names: the same person signs in as a Practitioner
// or as one of their PractitionerRoles. That is sealed in the sessions, so all that are open are read: an administrator asks rarely.
func (d *Desk) sessionsOfPerson(tx connector.Tx, e EHR, ref string) ([]kept, error) {
	rows, err := tx.SessionsLeft(e.ID, d.now().Add(Life), math.MaxInt32)
	if errors.Is(err, connector.ErrStore) {
		return nil, err
	}
	var out []kept
	for _, row := range rows {
		k, damaged := keptOf(e, row)
		if err = errors.Join(err, damaged); damaged != nil {
			continue
		}
		if row.User == ref || slices.Contains(k.body.User.Also, ref) {
			out = append(out, k)
		}
	}
	if err != nil { // somebody's row is damaged, which is no reason to leave others signed in
		d.o.Log.Error("inbox: a session could not be read, and is not among those of a user", "ehr", e.Name, "error", err)
	}
	slices.SortFunc(out, func(a, b kept) int { return strings.Compare(a.row.ID, b.row.ID) }) // oldest first
	return out, nil
}

// sessionsOf reads the sessions of a person that have not ended; see User.person.
func (d *Desk) sessionsOf(tx connector.Tx, e EHR, person string) ([]kept, error) {
	rows, err := tx.SessionsOf(e.ID, person)
	if err != nil {
		return nil, err
	}
	var out []kept
	for _, row := range rows {
		k, err := keptOf(e, row)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
}
