package oracle

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/ehr/fhir"
	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

const systemSNOMED = "http://snomed.info/sct"

// replyTo is the extension that directs where replies to a message go [V].
const replyTo = "https://fhir-ehr.cerner.com/r4/StructureDefinition/reply-to"

// emailStatuses are the values of the search parameter -email-status, which a search must give [V].
var emailStatuses = []string{"received", "in-progress", "completed"}

// quirks are what Millennium's FHIR does otherwise than R4. [V] was read in Oracle's own pages (peers-and-ehrs.md §5); nothing
// here was tried against Millennium.
func quirks() fhir.Quirks {
	return fhir.Quirks{
		Strategies: []connector.Strategy{connector.AsCommunication, connector.AsNote},
		Never: []string{
			"Communication update", // only a PATCH of the email status [V]
			"CommunicationRequest create", "CommunicationRequest read", "CommunicationRequest update", "CommunicationRequest search-type",
			"Subscription create", "Subscription read", "Subscription update", "Subscription search-type",
			"Task create", "Provenance create", "Provenance search-type", "RelatedPerson create", "Binary create",
			"transaction", "Communication conditional-create", "DocumentReference conditional-create",
		},
	}
}

// shape is what Millennium takes of our entries [V].
func shape(k Keys) filing.Shape {
	category := r4.NewCoding(r4.SystemCommunicationCategory, k.Category, "")
	if k.Category == "312853008" {
		category = r4.NewCoding(systemSNOMED, k.Category, "")
	}
	return filing.Shape{Notes: &filing.NoteShape{Period: true, Charset: true}, Staff: &filing.StaffMessage{
		Category: category, Senders: []string{"Practitioner"}, Recipients: []string{"Practitioner", "Group"}, Urgent: true,
		Inbox: k.Inbox, ReplyTo: k.ReplyTo, ReplyToURL: replyTo,
	}}
}

// EHR is one connection to Millennium. It is safe for concurrent use.
type EHR struct {
	*fhir.EHR
	category r4.Coding
}

var _ connector.EHR = (*EHR)(nil)

// New makes the adapter of one connection. Like fhir.New it makes no call; the quirks and the shape of entries are
// Millennium's, whatever o says of them.
func New(o fhir.Options, k Keys) *EHR {
	o.Quirks, o.Policy.Shape = quirks(), shape(k)
	o.Policy.CreateProxies, o.Policy.NoBinary = false, true
	if o.Credentials != nil && (k.Scopes == SpellV1 || k.Scopes == SpellV2) {
		c := *o.Credentials
		c.V1, o.Credentials = r4.Ptr(k.Scopes == SpellV1), &c
	}
	return &EHR{EHR: fhir.New(o), category: o.Policy.Shape.Staff.Category}
}

// Open is fhir.EHR's. Where scopes were dropped and nothing can be filed, Detail also names them and who can change that; where none was granted, too.
func (e *EHR) Open(ctx context.Context) (connector.Traits, error) {
	t, err := e.EHR.Open(ctx)
	var refused *connector.Refused
	switch {
	case !errors.As(err, &refused):
	case refused.Reason == connector.ScopeMissing && len(t.Missing) > 0:
		refused.Detail = connector.Protect(refused.Detail.Reveal() + " " + Trimmed(t.Missing))
	case slices.Contains(refused.Codes, "invalid_scope"):
		refused.Detail = connector.Protect(strings.TrimSpace(refused.Detail.Reveal() + " None of the scopes that were asked for is granted. " + asRegistered))
	}
	return t, err
}

const asRegistered = "Oracle Health grants an app what its registration in Code Console names, in the SMART version it is registered with, and drops the rest without a word: have whoever owns the registration add these, or write oracle.scopes as it is registered (v1 or v2)."

// Trimmed says which scopes were asked for and not granted, and who can change that.
func Trimmed(missing []string) string {
	return fmt.Sprintf("Asked for and not granted: %s. %s", strings.Join(missing, " "), asRegistered)
}

// Find is fhir.EHR's for documents. A message is looked for as Millennium lets it be: by category, recipient, time received and
// email status. It has one of those statuses or none, so one that is not found may be there all the same: ErrNotSearchable.
func (e *EHR) Find(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	if w.Type != "Communication" || w.Update != nil {
		return e.EHR.Find(ctx, w)
	}
	echo, err := r4.ReadEcho(w.Body)
	if err != nil || len(echo.Recipients) == 0 || w.Date.IsZero() {
		return connector.Receipt{}, connector.ErrNotSearchable
	}
	kind, id, _ := strings.Cut(echo.Recipients[0].LocalID(), "/")
	for _, status := range emailStatuses {
		r, err := e.FindCited(ctx, w, url.Values{"category": {r4.Token(r4.Value(e.category.System), r4.Value(e.category.Code))},
			"recipient:" + kind: {id}, "received": {"ge" + w.Date.UTC().Add(-24*time.Hour).Format(time.RFC3339)},
			"-email-status": {r4.Token("http://hl7.org/fhir/task-status", status)}})
		if !errors.Is(err, connector.ErrAbsent) && !errors.Is(err, connector.ErrNotSearchable) {
			return r, err
		}
	}
	return connector.Receipt{}, connector.ErrNotSearchable
}
