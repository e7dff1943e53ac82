package deliver

import (
	"time"

	"github.com/chartwire/chartwire/connector"
)

// recheckPatient grows from seconds to a quarter of an hour: registration is a person's work.
func recheckPatient(tries int) time.Duration {
	return min(5*time.Second<<min(tries, 8), 15*time.Minute)
}

// hold makes the item wait for a named thing until at (never: until something touches the lane or a person acts). What only
// people can bring about, such as its patient, is not waited for longer than hold_for: then the item parks for one.
func (d *drainer) hold(i *connector.Item, r connector.Reason, at time.Time, text string) {
	if w := awaited(r); w != "" && d.c.HoldFor > 0 {
		touch := !at.Before(connector.Never)
		i.Detail.Wait = &connector.Wait{For: w, Since: d.waitingSince(i, w), Touch: touch}
		until := i.Detail.Wait.Since.Add(d.c.HoldFor)
		if !d.e.clock.Now().Before(until) {
			d.waited[w] = i.Detail.Wait.Since
			d.park(i, r, text)
			return
		}
		if until.Before(at) {
			at = until
		}
	}
	if i.State != connector.Held || i.Reason != r {
		d.audit("hold", "E", 4, i, map[string]string{"reason": string(r)})
	}
	i.State, i.Reason, i.NextAt, i.Detail.Text = connector.Held, r, at, text
	i.FirstTried = time.Time{} // a wait for somebody else is not a run of failed tries
	i.Tries++
	d.put(i)
}

// holdForNews is hold for what news of a patient may bring, where such news comes by itself.
func (d *drainer) holdForNews(i *connector.Item, r connector.Reason, at time.Time, text string, k connector.PatientKey) {
	d.hold(i, r, at, text)
	a, ok := d.c.EHR.(connector.PatientAwaiter)
	if !ok {
		return
	}
	refs, ehr, thread := a.Awaits(k), d.thread.EHR, d.thread.ID
	d.later(func(tx connector.Tx) error { return tx.AwaitPatient(ehr, thread, refs) })
}

// awaited is what hold_for counts: everything that may be wrong with the patient is one wait. "" is what ends by itself.
// A thread whose patient was changed is not among them: nothing of it may go on, not even as parked and passed by.
func awaited(r connector.Reason) connector.Reason {
	switch r {
	case connector.NoPatient, connector.PatientAmbiguous, connector.PatientDisagrees, connector.PatientInactive:
		return connector.NoPatient
	case connector.NeedsEncounter:
		return connector.NeedsEncounter
	}
	return ""
}

// waitingSince is when the item's wait began. One whose turn comes after another has waited in vain has waited with it,
// behind it, from its own coming.
func (d *drainer) waitingSince(i *connector.Item, what connector.Reason) time.Time {
	if w := i.Detail.Wait; w != nil && w.For == what {
		return w.Since
	}
	now := d.e.clock.Now()
	if since, ok := d.waited[what]; ok && !i.CommittedAt.After(now) {
		return later(since, i.CommittedAt)
	}
	return now
}

// waitsForTouch says whether what an item is held for may have come with the commit that touched the lane. told: news of
// patients and visits touches it too.
func waitsForTouch(i *connector.Item, told bool) bool {
	if i.State != connector.Held {
		return false
	}
	if told && awaited(i.Reason) != "" {
		return true
	}
	switch i.Reason {
	case connector.EarlierItem:
		return true
	case connector.NeedsAttachment:
		return !i.NextAt.Before(connector.Never)
	case connector.NoPatient, connector.NeedsEncounter:
		return !i.NextAt.Before(connector.Never) || (i.Detail.Wait != nil && i.Detail.Wait.Touch)
	}
	return false
}
