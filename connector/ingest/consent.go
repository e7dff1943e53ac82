package ingest

import (
	"strings"

	"github.com/chartwire/chartwire/connector"
)

// consent takes one person's word about this channel and keeps it under every key it can later be looked for by.
func (s *step) consent() error {
	c := *s.ev.Consent
	c.Phone = dialled(c.Phone)
	who := connector.Participant{Role: connector.RolePatient}
	if c.Of != nil {
		who = *c.Of
	}
	var keys []string
	if s.thread.ID != "" {
		keys = s.thread.ConsentPersons(who, c.Phone)
	}
	if s.ev.Patient != nil {
		keys = append(keys, connector.ConsentPersons(s.thread.ID, *s.ev.Patient, who, c.Phone)...)
	}
	done := map[string]bool{}
	for _, person := range keys {
		if done[person] {
			continue
		}
		done[person] = true
		was, err := s.tx.Consent(s.ch.EHR, s.ch.Name, person)
		known, err := found(err)
		if err != nil {
			return err
		}
		if known && !c.Supersedes(was.Consent) {
			continue
		}
		row := connector.ConsentRow{EHR: s.ch.EHR, Channel: s.ch.Name, Person: person, Consent: c}
		if err := s.tx.PutConsent(row); err != nil {
			return err
		}
	}
	return nil
}

// dialled takes the marks people write into phone numbers out of an international one, so that +1 (500) 555-0006 stops
// what +15005550006 gets. Anything else stays as it is.
func dialled(phone string) string {
	if !strings.HasPrefix(phone, "+") {
		return phone
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" ()-./\u00a0", r) {
			return -1
		}
		return r
	}, phone)
}

// ConsentState gives the reason a message may not go to a recipient of this thread on this channel, or "". phone is the
// recipient's where it is known. It is asked before a message of ours is committed; deliver asks again before it leaves.
func ConsentState(tx connector.Tx, ch Channel, t connector.Thread, to connector.Participant, phone string) (connector.Reason, error) {
	latest, known, err := connector.LatestConsent(tx, ch.EHR, ch.Name, t.ConsentPersons(to, dialled(phone)))
	if err != nil {
		return "", err
	}
	reason, _ := connector.MaySend(ch.Consent, latest, known)
	return reason, nil
}
