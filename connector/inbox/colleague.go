package inbox

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// Colleague is how a page calls one of the staff whose name nobody told: never by an id.
const Colleague = "a colleague"

// How long a name counts, how long one that the EHR did not tell a session is not asked for again, how long a page waits for names,
// and how many are asked for one page: the rest is there the next time.
const (
	namesKept   = time.Hour
	untoldFor   = 10 * time.Minute
	namesWithin = 2 * time.Second
	namesAtOnce = 25
)

// directory is what this process has learnt of how the members of the staff are called, by EHR reference: as they signed in, or as
// the EHR told a colleague of theirs. It is no secret from one colleague to another: each message shows its writer's name.
type directory struct {
	mu    sync.Mutex
	names map[string]keptName
}

type keptName struct {
	name  string
	until time.Time
}

func (k *directory) learn(ehr, name string, now time.Time, refs ...string) {
	if name == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.names == nil {
		k.names = map[string]keptName{}
	}
	for _, ref := range refs {
		k.names[ehr+"/"+ref] = keptName{name, now.Add(namesKept)}
	}
}

// name is "" where it is not known, or not any more.
func (k *directory) name(ehr, ref string, now time.Time) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n := k.names[ehr+"/"+ref]; now.Before(n.until) {
		return n.name
	}
	return ""
}

// member names one of the staff.
func (d *Desk) member(e EHR, ref string) Who {
	if ref == "" {
		return Who{}
	}
	return Who{Key: ref, Name: cmp.Or(d.staff.name(e.ID, ref, d.now()), Colleague), Role: connector.RoleStaff}
}

// nameStaff puts names to those of the staff whom a page shows as Colleague: the EHR is asked for them with the viewer's own token.
// Where it does not tell, or not in time, they stay Colleague, and the page is there.
func (d *Desk) nameStaff(ctx context.Context, s *Session, people []*Who) {
	e, now := d.o.EHRs[s.EHR], d.now()
	var ask []string
	for _, w := range people {
		if w.Name == Colleague && w.Key != "" && !slices.Contains(ask, w.Key) && len(ask) < namesAtOnce && !d.untold(s.ID, w.Key, now) {
			ask = append(ask, w.Key)
		}
	}
	mayNot := slices.ContainsFunc(s.Missing, func(scope string) bool { return strings.HasPrefix(scope, "user/Practitioner.") })
	if len(ask) == 0 || mayNot || e.Chart == nil {
		return
	}
	d.askNames(ctx, s, e, ask)
	for _, w := range people {
		if w.Name == Colleague {
			*w = d.member(e, w.Key)
		}
	}
}

// askNames asks the EHR how these are called, a few at a time. It keeps what it is told, and what it is not.
func (d *Desk) askNames(ctx context.Context, s *Session, e EHR, refs []string) {
	ctx, done := context.WithTimeout(ctx, namesWithin)
	defer done()
	access, err := d.access(ctx, s, "")
	if err != nil {
		return // what needs the token more says so
	}
	d.each(ctx, s.ID, refs, func(ref string) {
		name, err := e.Chart.Name(ctx, access, ref)
		now := d.now()
		switch {
		case err == nil && name != "":
			d.staff.learn(e.ID, name, now, ref)
		case errors.As(err, new(*connector.Retry)):
			d.notTold(s.ID, ref, now.Add(denialFor))
		default: // also where the EHR refuses the token for this: that is no reason to end a session
			d.notTold(s.ID, ref, now.Add(untoldFor))
		}
	})
}

// untold says whether the EHR did not tell a session a name a while ago.
func (d *Desk) untold(session, ref string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.live[session]
	return l != nil && now.Before(l.untold[ref])
}

func (d *Desk) notTold(session, ref string, until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.of(session).untold[ref] = until
}

// staffIn gives those of the staff whom lines of a list name.
func staffIn(lines []ThreadLine) (out []*Who) {
	for i := range lines {
		out = append(out, lines[i].staff()...)
	}
	return out
}

func (l *ThreadLine) staff() []*Who {
	out := []*Who{&l.Holder}
	for i := range l.Typing {
		out = append(out, &l.Typing[i])
	}
	return out
}

// nameThread puts names to the staff of a thread's page. Those who have none cannot be chosen, and are counted.
func (d *Desk) nameThread(ctx context.Context, s *Session, view *ThreadView) {
	people := view.Thread.staff()
	for i := range view.Staff {
		people = append(people, &view.Staff[i])
	}
	d.nameStaff(ctx, s, people)
	view.Composer.Others = view.Thread.Typing
	all := len(view.Staff)
	view.Staff = slices.DeleteFunc(view.Staff, func(w Who) bool { return w.Name == Colleague })
	view.Unnamed = all - len(view.Staff)
	slices.SortStableFunc(view.Staff, func(a, b Who) int { return cmp.Compare(a.Name, b.Name) })
}
