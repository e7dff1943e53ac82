package inbox

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/smart"
)

// app is an authorization server: refresh tokens rotate and work once.
type app struct {
	mu        sync.Mutex
	starts    []smart.Start
	grant     smart.Grant // what Exchange gives, without tokens
	n         int
	expires   time.Duration
	tokens    map[string]bool // access tokens that are taken
	spent     map[string]bool // refresh tokens that were used
	calls     []string
	fail      map[string]error // by call
	noRefresh bool
	same      bool   // a refresh gives the access token that there was
	before    func() // runs within Refresh
	exchanged func() // runs once Exchange has tokens
}

func (a *app) call(name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls = append(a.calls, name)
	return a.fail[name]
}

// fails lets calls fail, by their names.
func (a *app) fails(by map[string]error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fail = by
}

func (a *app) count(name string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.calls {
		if c == name {
			n++
		}
	}
	return n
}

func (a *app) last() smart.Start { return a.starts[len(a.starts)-1] }

func (a *app) Authorize(_ context.Context, launch string) (smart.Start, error) {
	if err := a.call("authorize"); err != nil {
		return smart.Start{}, err
	}
	n := fmt.Sprint(len(a.starts))
	s := smart.Start{URL: "https://auth.mercy.example/?launch=" + launch, State: "state-" + n, Verifier: "verifier-" + n, Nonce: "nonce-" + n}
	a.starts = append(a.starts, s)
	return s, nil
}

func (a *app) Exchange(_ context.Context, code string, s smart.Start) (smart.Grant, error) {
	if err := a.call("exchange"); err != nil {
		return smart.Grant{}, err
	}
	if want := a.last(); code != "code" || s.Verifier != want.Verifier || s.Nonce != want.Nonce || s.State != want.State {
		return smart.Grant{}, &smart.LaunchError{Code: smart.TokenRefused, Detail: "not what was begun"}
	}
	if a.exchanged != nil {
		defer a.exchanged()
	}
	return a.issue(a.grant), nil
}

func (a *app) issue(g smart.Grant) smart.Grant {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n++
	g.Access, g.Refresh, g.Expires = fmt.Sprint("access-", a.n), fmt.Sprint("refresh-", a.n), time.Now().Add(a.expires).UTC()
	if a.noRefresh {
		g.Refresh = ""
	}
	a.tokens[g.Access] = true
	return g
}

func (a *app) Refresh(_ context.Context, g smart.Grant) (smart.Grant, error) {
	if err := a.call("refresh"); err != nil {
		return smart.Grant{}, err
	}
	a.mu.Lock()
	used := a.spent[g.Refresh]
	a.spent[g.Refresh] = true
	a.mu.Unlock()
	if a.before != nil {
		a.before()
	}
	if used || g.Refresh == "" {
		return smart.Grant{}, &smart.LaunchError{Code: smart.Expired, OAuth: "invalid_grant"}
	}
	next := a.issue(g)
	if a.same {
		next.Access = g.Access
	}
	return next, nil
}

func (a *app) Revoke(_ context.Context, g smart.Grant) error {
	if err := a.call("revoke " + g.Refresh); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tokens, g.Access)
	a.spent[g.Refresh] = true
	return nil
}

// chart is the EHR as its users see it.
type chart struct {
	app   *app
	mu    sync.Mutex
	may   map[string]bool
	user  User
	users int // reads of a user
	facts Facts
	names map[string]string // of colleagues; "" is there and has none
	asked []string          // for a name
	deny  error             // what Name fails with
	fail  error
	wrong bool // it gives somebody else
	mrn   string
	reads []string
	now   int // reads that run
	most  int
	slow  time.Duration
}

func (c *chart) fails(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = err
}

func (c *chart) taken(access string) error {
	c.app.mu.Lock()
	defer c.app.mu.Unlock()
	if !c.app.tokens[access] {
		return &connector.Refused{Reason: connector.Unauthorized, Status: 401}
	}
	return nil
}

func (c *chart) Patient(_ context.Context, access, ref string) (connector.Patient, error) {
	c.mu.Lock()
	c.reads = append(c.reads, ref)
	c.now++
	c.most = max(c.most, c.now)
	c.mu.Unlock()
	time.Sleep(c.slow) // of the bubble: no time passes outside
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now--
	switch err := c.taken(access); {
	case err != nil:
		return connector.Patient{}, err
	case c.fail != nil:
		return connector.Patient{}, c.fail
	case !c.may[ref]:
		return connector.Patient{}, connector.ErrNoMatch
	case c.wrong:
		ref = nobody
	}
	return connector.Patient{Reference: ref, Active: true, Names: []connector.HumanName{{Family: "Park"}, {Family: "Cho"}}, Called: "Cho",
		Identifiers: []connector.Identifier{{System: "http://hl7.org/fhir/sid/us-ssn", Value: "123-45-6789"}, {System: "urn:mrn", Value: c.mrn}}, MRN: c.mrn}, nil
}

func (c *chart) User(_ context.Context, access, ref string) (User, error) {
	time.Sleep(c.slow) // of the bubble: no time passes outside
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users++
	if err := c.taken(access); err != nil {
		return User{}, err
	}
	if c.fail != nil {
		return User{}, c.fail
	}
	if c.user.Reference != ref {
		return User{}, connector.ErrNoMatch
	}
	return c.user, nil
}

func (c *chart) Name(_ context.Context, access, ref string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, ref)
	if err := c.taken(access); err != nil {
		return "", err
	}
	name, ok := c.names[ref]
	switch {
	case c.deny != nil:
		return "", c.deny
	case !ok:
		return "", connector.ErrNoMatch
	}
	return name, nil
}

func (c *chart) Facts(context.Context, string, string) (Facts, error) { return c.facts, nil }

func (c *chart) usersRead() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.users
}

func (c *chart) read() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.reads)
}
