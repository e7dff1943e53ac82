package inbox

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/audit"
	"github.com/chartwire/chartwire/fhir/smart"
)

// launchFor is how long a launch waits for its answer.
const launchFor = 10 * time.Minute

// BeginIn is a launch as it arrives.
type BeginIn struct {
	EHR     string // config name, of the launch URL
	Iss     string // as the EHR gave it; "" of a standalone launch
	Launch  string // as the EHR gave it; "" of a standalone launch
	Browser string // value of the browser's cookie, the one about to be set included; "" where it takes none
	Source  string // the caller's address, for the count of refusals
}

// Begun is where the browser goes on to.
type Begun struct {
	URL    string     // of the EHR's authorization
	Form   url.Values // set where it is to be posted there
	Secret string     // for the window to keep (window.name) until the callback, and after it as proof of being this window
}

// begun is what a launch's row seals.
type begun struct {
	State    string `json:"state"`
	Verifier string `json:"verifier"`
	Nonce    string `json:"nonce,omitempty"`
	Browser  string `json:"browser,omitempty"` // keyed hash of the cookie
	Window   string `json:"window"`            // keyed hash of Begun.Secret
	How      string `json:"how"`               // ehr-launch or standalone
}

// Begin begins a launch: it holds iss to the configured connection before anything leaves, and keeps the launch for ten
// minutes. One address begins so many in a minute; see launchesAMinute. Errors: *Refusal, which is counted; ErrStore.
func (d *Desk) Begin(ctx context.Context, in BeginIn) (Begun, error) {
	e := d.o.EHRs[in.EHR]
	switch {
	case e.App == nil:
		return Begun{}, d.count(ctx, "launch", in.Source, &Refusal{Code: EHRUnknown})
	case in.Iss != "" && !smart.SameIss(in.Iss, e.Base), in.Iss == "" && in.Launch != "":
		return Begun{}, d.count(ctx, "launch:"+e.Name, in.Source, &Refusal{Code: smart.IssUnknown})
	case !d.begun.takes(in.Source, d.now()):
		return Begun{}, d.count(ctx, "launch:"+e.Name, in.Source, &Refusal{Code: TooManyLaunches})
	}
	start, err := e.App.Authorize(ctx, in.Launch)
	if err != nil {
		return Begun{}, d.count(ctx, "launch:"+e.Name, in.Source, refusal(err))
	}
	out := Begun{URL: start.URL, Form: start.Form, Secret: secret()}
	b := begun{State: start.State, Verifier: start.Verifier, Nonce: start.Nonce, Window: d.mac("window", out.Secret), How: "ehr-launch"}
	if in.Browser != "" {
		b.Browser = d.mac("browser", in.Browser)
	}
	if in.Launch == "" {
		b.How = "standalone"
	}
	body, err := json.Marshal(b)
	if err != nil {
		return Begun{}, errors.New("inbox: what a launch keeps cannot be written")
	}
	err = d.o.Store.Update(ctx, "launch|"+e.ID, func(tx connector.Tx) error {
		return tx.PutLaunch(connector.LaunchRow{State: start.State, EHR: e.ID, ExpiresAt: d.now().Add(launchFor), Body: body})
	})
	return out, err
}

// secret gives 256 random bits.
func secret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// count adds a refusal of somebody unknown to the audit row of its place, source and minute, and gives it.
func (d *Desk) count(ctx context.Context, where, source string, r *Refusal) error {
	err := d.o.Store.Update(ctx, "refused|"+where, func(tx connector.Tx) error {
		return tx.CountRefusal("", where, source, r.Code, d.now())
	})
	if err != nil {
		return err
	}
	return r
}

// FinishIn is the EHR's answer to a launch, as the browser brings it.
type FinishIn struct {
	EHR     string
	State   string
	Code    string
	Error   string // OAuth error code, where the EHR refused
	Browser string // value of the browser's cookie
	Secret  string // what the window kept
	Source  string

	// Previous is the launch that this window showed before, "" where there is none or it is not known, and Proof its
	// handle, or the Secret of its Begun: that session ends where it is of another patient or user.
	Previous, Proof string
}

// Finish ends a launch: its state is taken, once, by the browser or the window that began it; the code is redeemed; the user's
// role and their right to the patient are read with their own token. It gives the session and its handle, which is kept
// nowhere else. Errors: *Refusal, which is audited, or counted where the state is nobody's; ErrStore. Whatever the EHR gave by then is
// ended there.
func (d *Desk) Finish(ctx context.Context, in FinishIn) (*Session, string, error) {
	e := d.o.EHRs[in.EHR]
	if e.App == nil {
		return nil, "", d.count(ctx, "launch", in.Source, &Refusal{Code: EHRUnknown})
	}
	b, err := d.take(ctx, e, in)
	if err != nil {
		return nil, "", err
	}
	who, err := d.signIn(ctx, e, in, b)
	if err != nil {
		return nil, "", d.failed(ctx, e, b, who, err)
	}
	s, handle, err := d.letIn(ctx, e, in, b, who)
	if err != nil { // nobody has a session: nobody may have its tokens
		d.revoke(e, "", who.user.Reference, who.grant)
	}
	return s, handle, err
}

// letIn gives whoever has signed in their session, in place of the one that their window showed.
func (d *Desk) letIn(ctx context.Context, e EHR, in FinishIn, b begun, who *signedIn) (*Session, string, error) {
	if err := d.replace(ctx, in, who); err != nil {
		return nil, "", err
	}
	return d.admit(ctx, e, b, who)
}

// take takes the launch of a state, once. Whoever brings it has to be the browser or the window that began it.
func (d *Desk) take(ctx context.Context, e EHR, in FinishIn) (b begun, err error) {
	var bad *Refusal
	now := d.now()
	err = d.o.Store.Update(ctx, "launch|"+e.ID, func(tx connector.Tx) error {
		b, bad = begun{}, nil
		row, err := tx.TakeLaunch(e.ID, in.State)
		if errors.Is(err, connector.ErrNotFound) {
			bad = &Refusal{Code: smart.StateUnknown}
			return tx.CountRefusal("", "launch:"+e.Name, in.Source, bad.Code, now)
		}
		if err != nil {
			return err
		}
		if err := json.Unmarshal(row.Body, &b); err != nil {
			return errors.New("inbox: what a launch keeps cannot be read")
		}
		switch {
		case !now.Before(row.ExpiresAt):
			bad = &Refusal{Code: LaunchTooLate}
		case !same(b.Browser, d.mac("browser", in.Browser)) && !same(b.Window, d.mac("window", in.Secret)):
			bad = &Refusal{Code: StateForeign}
		default:
			return nil
		}
		return tx.Audit(notLetIn(b, bad.Code, nil).record(e, "", "", now))
	})
	if err == nil && bad != nil {
		err = bad
	}
	return b, err
}

// notLetIn is the act of a launch that was refused.
func notLetIn(b begun, why string, who *signedIn) act {
	out := act{audit.Login, audit.Execute, audit.MinorFailure, map[string]string{"how": b.How, "why": why}}
	if who != nil && who.patient != "" {
		out.detail["patient"] = who.patient
	}
	return out
}

// failed audits a launch that the EHR, or what it said, kept from coming to a session, and ends whatever tokens it gave.
func (d *Desk) failed(ctx context.Context, e EHR, b begun, who *signedIn, cause error) error {
	var bad *Refusal
	if !errors.As(cause, &bad) {
		return cause
	}
	user, now := who.grant.User, d.now()
	row := notLetIn(b, bad.Code, who)
	if missing := new(ungranted); errors.As(bad.Err, missing) {
		row.detail["scope"] = smart.Scopes(*missing).String()
	}
	err := d.update(ctx, e.ID, user, func(tx connector.Tx) error { return tx.Audit(row.record(e, "", user, now)) })
	d.revoke(e, "", user, who.grant)
	if err != nil {
		return err
	}
	return bad
}
