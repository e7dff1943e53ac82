package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/ingest"
	"github.com/chartwire/chartwire/fhir/smart"
)

// Options wires a Desk.
type Options struct {
	Store    connector.Store
	Ingest   *ingest.Ingest
	Clock    clock.Clock
	Log      *slog.Logger   // nil discards
	Key      []byte         // 32 secret bytes, the same on every replica, for bindings and for the hashes of handles
	EHRs     map[string]EHR // by config name: the connections that can be launched from
	Channels map[string]ingest.Channel
	// Patient reads an active patient by reference with the connection's own rights and names them in the channels' terms;
	// ErrNoMatch where there is none.
	Patient func(ctx context.Context, ehr, reference string) (connector.PatientKey, error)
}

// EHR is one EHR connection as its users launch from it.
type EHR struct {
	ID        string // of the connection, minted once
	Name      string // in the configuration
	Base      string // FHIR base: what the iss of a launch has to be
	Frame     []string
	App       Launcher // nil: nobody can launch; sessions can be looked at and ended
	Chart     Chart
	Roles     Roles
	Pools     []Pool
	People    map[string]string // EHR reference of a person or a pool → the platforms' participant id
	Channels  []string          // names of the channels whose threads are filed here
	Templates []Template
	Zone      *time.Location
	Clinic    string // its name, for templates
}

// Pool is a group of staff who share an inbox.
type Pool struct {
	ID        string
	Name      string
	Reference string   // in the EHR
	Members   []string // EHR references of those the configuration names; members of a CareTeam are those the EHR names
	SLA       time.Duration
}

// Template is a text to begin a reply with, in one language. Its ID is no other's of the connection.
type Template struct {
	ID, Name string
	Language string // BCP 47
	Text     string // with variables such as {{patient.given}}
}

// Launcher signs users in at one EHR: *smart.App.
type Launcher interface {
	// Authorize begins a launch; launch "" is a standalone one.
	Authorize(ctx context.Context, launch string) (smart.Start, error)
	// Exchange redeems the code of a launch that Authorize began.
	Exchange(ctx context.Context, code string, s smart.Start) (smart.Grant, error)
	// Refresh gives new tokens in place of g's. It is called once at a time for a session.
	Refresh(ctx context.Context, g smart.Grant) (smart.Grant, error)
	// Revoke ends g's tokens; nil where the EHR has no such service.
	Revoke(ctx context.Context, g smart.Grant) error
}

// Chart is the EHR as the signed-in user sees it: every call carries their own token. A token that the EHR does not take (any
// more) gives *connector.Refused with Unauthorized; an EHR that cannot be asked *connector.Retry.
type Chart interface {
	// Patient reads a patient. ErrNoMatch: there is none, or this user may not see them.
	Patient(ctx context.Context, access, reference string) (connector.Patient, error)
	// User reads a Practitioner or PractitionerRole: their name, role codes and teams, as far as they may be read. ErrNoMatch:
	// there is none, or it may not be read.
	User(ctx context.Context, access, reference string) (User, error)
	// Name reads what a Practitioner, or the one of a PractitionerRole, is called; "" where the EHR has no name. ErrNoMatch: there
	// is none, or it may not be read.
	Name(ctx context.Context, access, reference string) (string, error)
	// Facts reads what templates fill in. What the token does not open is missing, and no error.
	Facts(ctx context.Context, access, patient string) (Facts, error)
}

// User is a member of the clinic's staff as the EHR has them. Everything in it may identify a person.
type User struct {
	Reference string   `json:"reference"`       // Practitioner/… or PractitionerRole/…, as the EHR signs them in
	Name      string   `json:"name"`            // "" where the EHR does not tell it
	Also      []string `json:"also,omitempty"`  // further references of theirs: their Practitioner, their active PractitionerRoles
	Codes     []string `json:"codes,omitempty"` // of their active PractitionerRoles, each as code and as system|code
	Teams     []string `json:"teams,omitempty"` // CareTeam/… that they are an active member of
}

// String keeps a person out of logs.
func (User) String() string { return "[phi]" }

// person is the one reference of whoever may sign in by several: their Practitioner, where it is known.
func (u User) person() string {
	for _, ref := range append([]string{u.Reference}, u.Also...) {
		if strings.HasPrefix(ref, "Practitioner/") {
			return ref
		}
	}
	return u.Reference
}

// Facts is what a chart tells of a patient for templates. Zero fields are not known.
type Facts struct {
	Given    string
	Family   string
	Language string // preferred, BCP 47
	Next     Appointment
}

// String keeps a patient out of logs.
func (Facts) String() string { return "[phi]" }

// Appointment is the patient's next booked one.
type Appointment struct {
	Start time.Time // with the offset the EHR gave
	Place string    // name of its location; "" where it cannot be read
}

// Desk is the clinicians' side of every EHR connection. It is safe for concurrent use; several processes may share a store.
type Desk struct {
	o      Options
	under  sync.WaitGroup // what goes on beside requests
	pages  contents
	staff  directory
	told   factsKeep
	watch  watches
	begun  limiter
	due    outbox
	thumbs *thumbnails

	mu   sync.Mutex
	live map[string]*live // by session id: what this process knows of sessions it has served
}

// New makes a Desk. Call Run for what it does by itself.
func New(o Options) (*Desk, error) {
	switch {
	case o.Store == nil || o.Clock == nil:
		return nil, errors.New("inbox: store and clock are needed")
	case len(o.Key) != 32:
		return nil, errors.New("inbox: the key has 32 bytes")
	}
	for name, e := range o.EHRs {
		if e.ID == "" || e.Name != name {
			return nil, fmt.Errorf("inbox: EHR %s has no id, or another name", name)
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Desk{o: o, due: newOutbox(o.EHRs), thumbs: newThumbnails(), live: map[string]*live{}}, nil
}

// now is the time of commits.
func (d *Desk) now() time.Time { return d.o.Clock.Now().UTC().Truncate(time.Microsecond) }

// update commits what fn does about a user, and runs it anew where another replica was faster.
func (d *Desk) update(ctx context.Context, ehr, user string, fn func(tx connector.Tx) error) (err error) {
	for range 5 {
		if err = d.o.Store.Update(ctx, shard(ehr, user), fn); !errors.Is(err, connector.ErrStale) {
			break
		}
	}
	return err
}

// shard orders the commits about one user of one EHR.
func shard(ehr, user string) string { return "inbox|" + ehr + "|" + user }
