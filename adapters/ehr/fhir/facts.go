package fhir

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
	"github.com/chartwire/chartwire/fhir/r4"
)

// humanName is a HumanName as far as it is shown.
type humanName struct {
	Use    string   `json:"use"`
	Text   string   `json:"text"`
	Family string   `json:"family"`
	Given  []string `json:"given"`
	Prefix []string `json:"prefix"`
	Period period   `json:"period"`
}

// nameRank orders names by their use (FHIR R4, NameUse), the one to call somebody by first; from formerName on it is a name they had.
func nameRank(use string) int {
	switch use {
	case "usual":
		return 0
	case "official":
		return 1
	case "maiden":
		return formerName
	case "old":
		return formerName + 1
	}
	return 2
}

const formerName = 3

// called is the name somebody goes by: the usual one, else the official one, else the first that is not an old one. One whose time
// is over is an old one whatever its use says.
func called(names []humanName, now time.Time) humanName {
	var out humanName
	best := formerName
	for _, n := range names {
		if rank := nameRank(n.Use); rank < best && n.Period.at(now) {
			out, best = n, rank
		}
	}
	return out
}

// nameOf is how the person of a resource is called; "" where it does not tell, or is another than was asked for.
func nameOf(resource []byte, reference string, now time.Time) string {
	var j struct {
		Type string      `json:"resourceType"`
		ID   string      `json:"id"`
		Name []humanName `json:"name"`
	}
	if json.Unmarshal(resource, &j) != nil || j.Type+"/"+j.ID != reference {
		return ""
	}
	n := called(j.Name, now)
	if n.Text != "" {
		return n.Text
	}
	return strings.Join(strings.Fields(strings.Join(slices.Concat(n.Prefix, n.Given, []string{n.Family}), " ")), " ")
}

// Facts reads the patient's names and language and their next booked appointment. What the user's token does not open is
// missing. Errors are those of inbox.Chart but for ErrNoMatch.
func (c *UserChart) Facts(ctx context.Context, access, patient string) (inbox.Facts, error) {
	var out inbox.Facts
	if !isOf(patient, "Patient") {
		return out, nil
	}
	raw, err := c.read(ctx, access, patient)
	switch {
	case err == nil:
		readPerson(raw, patient, c.now(), &out)
	case !errors.Is(err, connector.ErrNoMatch):
		return out, err
	}
	out.Next, err = c.next(ctx, access, patient)
	return out, err
}

// readPerson reads names and language out of a Patient that is this one.
func readPerson(raw []byte, patient string, now time.Time, out *inbox.Facts) {
	var j struct {
		ID            string      `json:"id"`
		Name          []humanName `json:"name"`
		Communication []struct {
			Preferred bool `json:"preferred"`
			Language  struct {
				Coding []struct {
					Code string `json:"code"`
				} `json:"coding"`
			} `json:"language"`
		} `json:"communication"`
	}
	if json.Unmarshal(raw, &j) != nil || "Patient/"+j.ID != patient {
		return
	}
	name := called(j.Name, now)
	out.Family = name.Family
	if len(name.Given) > 0 {
		out.Given = name.Given[0]
	}
	for _, c := range j.Communication {
		if len(c.Language.Coding) > 0 && (c.Preferred || len(j.Communication) == 1) {
			out.Language = c.Language.Coding[0].Code
			return
		}
	}
}

// booked is what counts of an Appointment.
type booked struct {
	Status      string `json:"status"`
	Start       string `json:"start"`
	Participant []struct {
		Status string `json:"status"`
		Actor  struct {
			Reference string `json:"reference"`
			Display   string `json:"display"`
		} `json:"actor"`
	} `json:"participant"`
}

// of says whether a patient is in it and has not declined.
func (b booked) of(patient string) bool {
	for _, p := range b.Participant {
		if r4.LocalID(p.Actor.Reference) == patient {
			return p.Status != "declined"
		}
	}
	return false
}

// next finds the patient's next booked appointment. What a server may not know how to do, it is not asked for: the earliest is
// chosen here.
func (c *UserChart) next(ctx context.Context, access, patient string) (inbox.Appointment, error) {
	now := c.now()
	found, err := c.search(ctx, access, "Appointment", url.Values{"patient": {patient}, "status": {"booked"},
		"date": {"ge" + now.UTC().AddDate(0, 0, -1).Format(time.DateOnly)}, "_count": {"50"}}) // a server may count days in its own time zone
	if err != nil {
		return inbox.Appointment{}, err
	}
	var out inbox.Appointment
	var chosen booked
	for _, raw := range found {
		var b booked
		if json.Unmarshal(raw, &b) != nil || b.Status != "booked" || !b.of(patient) {
			continue
		}
		start, exact, err := r4.ParseDateTime(b.Start)
		if err == nil && exact && !start.Before(now) && (out.Start.IsZero() || start.Before(out.Start)) {
			out.Start, chosen = start, b
		}
	}
	out.Place, err = c.place(ctx, access, chosen)
	return out, err
}

// place names the location of an appointment, as the EHR shows it in the appointment or in the Location itself.
func (c *UserChart) place(ctx context.Context, access string, b booked) (string, error) {
	for _, p := range b.Participant {
		ref := r4.LocalID(p.Actor.Reference)
		if !isOf(ref, "Location") {
			continue
		}
		if p.Actor.Display != "" {
			return p.Actor.Display, nil
		}
		raw, err := c.read(ctx, access, ref)
		if errors.Is(err, connector.ErrNoMatch) {
			return "", nil
		}
		var j struct {
			Name string `json:"name"`
		}
		if err == nil {
			_ = json.Unmarshal(raw, &j)
		}
		return j.Name, err
	}
	return "", nil
}
