package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/audit"
	"github.com/chartwire/chartwire/fhir/smart"
)

// How long a session lives, and how often the row says that its user did something.
const (
	Idle  = 15 * time.Minute // without anything its user did
	Life  = 12 * time.Hour   // in all
	touch = time.Minute
)

// Session is a signed-in user in one launch.
type Session struct {
	ID        string // the {launch} of its URLs; no secret
	EHR       string // config name
	EHRID     string
	User      User
	Role      connector.Role // clinician, staff or read_only
	Pools     []string       // ids of the pools the user is in
	Unsure    time.Time      // when the EHR last said which role and pools they have, where that is too long ago to count; else zero
	Patient   string         // Patient/…; "" of a launch without a patient
	Encounter string         // Encounter/… of the launch, ""
	Intent    string
	StyleURL  string
	Banner    bool     // the EHR wants the patient's banner shown, or did not say
	Missing   []string // scopes that were asked for and not granted
	Covered   string   // the launch by which the user opened another patient elsewhere since, "": nothing is sent until Uncover
	Created   time.Time
	Ends      time.Time // if nothing is done
}

// Write says whether the session's user may reply and act.
func (s *Session) Write() bool {
	return s.Role == connector.RoleClinician || s.Role == connector.RoleStaff
}

// showsBanner says whether pages show the patient's banner: an EHR that shows one around the frame can do without, and around the pages
// of a launch without a patient it shows none.
func (s *Session) showsBanner() bool { return s.Banner || s.Patient == "" }

// InPool says whether the user is in a pool.
func (s *Session) InPool(id string) bool { return slices.Contains(s.Pools, id) }

// String keeps a session out of logs.
func (*Session) String() string { return "[session]" }

// kept is a session as its row keeps it.
type kept struct {
	ehr  EHR
	row  connector.SessionRow
	body sessionBody
}

// sessionBody is what a session's row seals.
type sessionBody struct {
	User       User           `json:"user"`
	Role       connector.Role `json:"role"`
	Pools      []string       `json:"pools,omitempty"`
	Patient    string         `json:"patient,omitempty"`
	Encounter  string         `json:"encounter,omitempty"`
	Covered    string         `json:"covered,omitempty"`
	Window     string         `json:"window,omitempty"` // keyed hash of what its window keeps
	RolesAt    time.Time      `json:"rolesAt,omitzero"` // when the EHR said who the user is, again; zero: at the sign-in alone
	Grant      smart.Grant    `json:"grant"`            // zero once the session has ended
	Got        time.Time      `json:"got,omitzero"`     // when the grant's access token came; zero: with the sign-in
	Refreshing string         `json:"refreshing,omitempty"`
}

// readKept reads a session. ErrNotFound where there is none.
func readKept(tx connector.Tx, e EHR, id string) (kept, error) {
	row, err := tx.Session(e.ID, id)
	if err != nil {
		return kept{}, err
	}
	return keptOf(e, row)
}

func keptOf(e EHR, row connector.SessionRow) (kept, error) {
	k := kept{ehr: e, row: row}
	if err := json.Unmarshal(row.Body, &k.body); err != nil {
		return kept{}, fmt.Errorf("inbox: what session %s keeps cannot be read", row.ID)
	}
	return k, nil
}

func (k *kept) put(tx connector.Tx) error {
	k.row.Person = k.body.User.person()
	var err error
	if k.row.Body, err = json.Marshal(k.body); err != nil {
		return fmt.Errorf("inbox: what session %s keeps cannot be written", k.row.ID)
	}
	return tx.PutSession(&k.row)
}

// close ends the session in its row, and gives the tokens that are to be revoked once that is committed.
func (k *kept) close(why Why, now time.Time) smart.Grant {
	spent := k.body.Grant
	k.row.EndedAt, k.row.Why = now, string(why)
	k.body.Grant, k.body.Refreshing = smart.Grant{}, ""
	return spent
}

// session is what the rest of the inbox sees of it. seen is when its user did something last.
func (k *kept) session(seen time.Time) *Session {
	b, g := &k.body, &k.body.Grant
	s := &Session{ID: k.row.ID, EHR: k.ehr.Name, EHRID: k.ehr.ID, User: b.User, Role: b.Role, Pools: b.Pools, Patient: b.Patient,
		Encounter: b.Encounter, Intent: g.Intent, StyleURL: g.StyleURL, Banner: g.Banner, Covered: b.Covered, Created: k.row.CreatedAt}
	for _, scope := range g.Missing {
		s.Missing = append(s.Missing, scope.String())
	}
	s.Ends = seen.Add(Idle)
	if end := k.row.CreatedAt.Add(Life); end.Before(s.Ends) {
		s.Ends = end
	}
	return s
}

// find reads a session, of whichever EHR connection it is. ErrNotFound where there is none.
func (d *Desk) find(ctx context.Context, id string) (k kept, err error) {
	err = d.o.Store.View(ctx, func(tx connector.Tx) error {
		for _, e := range d.o.EHRs {
			if k, err = readKept(tx, e, id); !errors.Is(err, connector.ErrNotFound) {
				return err
			}
		}
		return connector.ErrNotFound
	})
	return k, err
}

// errAsItWas ends a transaction that has nothing to change.
var errAsItWas = errors.New("nothing to change")

// alter reads a session anew, has do decide, and keeps what it made of it, all in one commit. do may run more than once;
// errAsItWas keeps the row as it is and is no error.
func (d *Desk) alter(ctx context.Context, k *kept, do func(tx connector.Tx, k *kept) error) error {
	var fresh kept
	err := d.update(ctx, k.ehr.ID, k.row.User, func(tx connector.Tx) error {
		var err error
		if fresh, err = readKept(tx, k.ehr, k.row.ID); err != nil {
			return err
		}
		if err = do(tx, &fresh); err != nil {
			return err
		}
		return fresh.put(tx)
	})
	if err == nil || errors.Is(err, errAsItWas) {
		*k = fresh
		return nil
	}
	return err
}

// over says why a session is over at a time, "" while it goes on.
func (d *Desk) over(k *kept, now time.Time) Why {
	switch {
	case !k.row.EndedAt.IsZero():
		return Why(k.row.Why)
	case now.Sub(k.row.CreatedAt) >= Life:
		return EndedLife
	case now.Sub(d.seen(k)) >= Idle:
		return EndedIdle
	}
	return ""
}

// going gives a session that goes on. Errors: *Ended; ErrNotFound.
func (d *Desk) going(ctx context.Context, id string) (kept, error) {
	k, err := d.find(ctx, id)
	if err == nil {
		err = d.goesOn(ctx, &k)
	}
	return k, err
}

// goesOn gives *Ended for a session that is over. One whose time has run out is ended in its row first.
func (d *Desk) goesOn(ctx context.Context, k *kept) error {
	why := d.over(k, d.now())
	if why == "" {
		return nil
	}
	if k.row.EndedAt.IsZero() {
		if err := d.end(ctx, k, why, workerAgent, ""); err != nil {
			return err
		}
		if k.row.EndedAt.IsZero() { // its user did something at another replica meanwhile
			return nil
		}
	}
	return &Ended{Why(k.row.Why)}
}

// workerAgent is who ends sessions whose time has run out.
const workerAgent = "worker"

// end ends a session in a commit with its audit row, and has the EHR end its tokens. Its pages see it at their next look. One that
// has ended stays as it is, and so does one that is not idle any more. user is whom the agent acts for.
func (d *Desk) end(ctx context.Context, k *kept, why Why, agent, user string) error {
	var spent smart.Grant
	now := d.now()
	err := d.alter(ctx, k, func(tx connector.Tx, k *kept) error {
		if !k.row.EndedAt.IsZero() || why == EndedIdle && d.over(k, now) != EndedIdle {
			spent = smart.Grant{}
			return errAsItWas
		}
		spent = k.close(why, now)
		return tx.Audit(k.logout(why, agent, user, now))
	})
	if err == nil {
		d.ended(k, spent)
	}
	return err
}

// logout is the audit row of a session's end.
func (k *kept) logout(why Why, agent, user string, now time.Time) connector.AuditEntry {
	row := act{audit.Logout, audit.Execute, audit.Success, map[string]string{"why": string(why), "key": k.row.ID}}.by(agent, k.ehr, now)
	row.OnBehalf = user
	return row
}

// ended does what follows from a session's end once it is committed.
func (d *Desk) ended(k *kept, spent smart.Grant) {
	d.forget(k.row.ID)
	d.revoke(k.ehr, k.row.ID, k.row.User, spent)
}

// Session opens a session by its id and handle, and notes that its user did something; see freshRoles. Errors: *Ended; ErrNotFound
// where there is none or the handle is another's, which the caller counts as a refusal; ErrStore.
func (d *Desk) Session(ctx context.Context, id, handle string) (*Session, error) {
	k, err := d.find(ctx, id)
	if err != nil {
		return nil, err
	}
	if !same(k.row.Handle, d.mac("handle", id, handle)) {
		return nil, connector.ErrNotFound
	}
	if err = d.goesOn(ctx, &k); err != nil {
		return nil, err
	}
	if err = d.freshRoles(ctx, &k); err != nil {
		return nil, err
	}
	now := d.now()
	if now.Sub(k.row.SeenAt) >= touch {
		err = d.alter(ctx, &k, func(_ connector.Tx, k *kept) error {
			if why := d.over(k, now); why != "" {
				return &Ended{why}
			}
			k.row.SeenAt = now
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	d.sawUser(&k, now)
	return d.as(&k, now), nil
}

// Uncover notes that the user has seen whose page this is, with its audit row, and lets it send again. Errors: *Ended; ErrStore.
func (d *Desk) Uncover(ctx context.Context, s *Session) error {
	k, err := d.going(ctx, s.ID)
	if err != nil {
		return err
	}
	now := d.now()
	if err = d.alter(ctx, &k, func(tx connector.Tx, k *kept) error {
		if k.body.Covered == "" {
			return errAsItWas
		}
		k.body.Covered = ""
		row := act{audit.Work, audit.Execute, audit.Success, map[string]string{"act": "uncover", "patient": k.body.Patient}}
		return tx.Audit(row.record(k.ehr, k.row.ID, k.row.User, now))
	}); err != nil {
		return err
	}
	s.Covered = ""
	return nil
}

// SignOut ends a session for its user, and has the EHR end its tokens. One that has ended is no error.
func (d *Desk) SignOut(ctx context.Context, s *Session) error {
	k, err := d.find(ctx, s.ID)
	if err != nil {
		return err
	}
	return d.end(ctx, &k, EndedSignOut, userAgent(s.ID), k.row.User)
}

// userAgent is the audit log's name for whoever is signed in by a session.
func userAgent(session string) string { return audit.Agent{Kind: "user", ID: session}.String() }
