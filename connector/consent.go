package connector

import "errors"

// The values of Consent.State.
const (
	Granted = "granted"
	Revoked = "revoked"
)

// ConsentPersons gives the keys under which a person's consent on a channel is kept, most specific last. A consent is
// written under every key that can be made of what the event names, and a send looks under all of them: the newest word
// found counts, so that a revocation given by phone number also stops the thread.
func ConsentPersons(thread string, patient PatientKey, who Participant, phone string) []string {
	person := who.Key()
	if who.Role == "" {
		person = string(RolePatient)
	}
	var keys []string
	if thread != "" {
		keys = append(keys, "thread|"+thread+"|"+person)
	}
	if patient.Reference != "" {
		keys = append(keys, "ref|"+patient.Reference+"|"+person)
	}
	for _, id := range patient.Identifiers {
		keys = append(keys, "id|"+id.Token()+"|"+person)
	}
	if phone != "" {
		keys = append(keys, "phone|"+phone)
	}
	return keys
}

// ConsentPersons gives the keys under which the consent of one person of this thread is kept; phone is theirs where it is
// known. The EHR reference counts once the thread is bound.
func (t Thread) ConsentPersons(who Participant, phone string) []string {
	k := t.Patient
	if k.Reference == "" {
		k.Reference = t.Bound.Reference
	}
	if phone == "" && (who.Role == RolePatient || who.Role == "") {
		phone = k.Phone
	}
	return ConsentPersons(t.ID, k, who, phone)
}

// LatestConsent gives the newest word kept under any of the keys, false where there is none. Of two words of one instant
// the revocation counts.
func LatestConsent(tx Tx, ehr, channel string, persons []string) (Consent, bool, error) {
	var latest Consent
	found := false
	for _, p := range persons {
		row, err := tx.Consent(ehr, channel, p)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return Consent{}, false, err
		}
		if !found || row.Consent.Supersedes(latest) {
			latest, found = row.Consent, true
		}
	}
	return latest, found, nil
}

// Supersedes says whether c is a later word than old: by time, and of one instant the revocation.
func (c Consent) Supersedes(old Consent) bool {
	if c.At.Equal(old.At) {
		return c.State == Revoked && old.State != Revoked
	}
	return c.At.After(old.At)
}

// MaySend says whether a message may go to a person of whom this is the newest word, by the channel's rule ("assumed" or
// "required"); the reason says why not.
func MaySend(rule string, latest Consent, known bool) (Reason, bool) {
	switch {
	case known && latest.State == Revoked:
		return ConsentRevoked, false
	case rule == "required" && !known:
		return ConsentMissing, false
	default:
		return "", true
	}
}
