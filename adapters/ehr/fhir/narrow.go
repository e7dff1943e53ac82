package fhir

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// updatable are the elements of a note that an EHR with bare notes takes in an update.
var updatable = []string{"resourceType", "id", "status", "docStatus", "type", "subject", "author", "context"}

// narrow makes of a note as the EHR showed it the body of an update that it takes: what its own create takes, its content by
// value, where the EHR shows it as a Binary. Errors: *connector.Refused where that cannot be done without a loss, *Retry.
func (e *EHR) narrow(ctx context.Context, body []byte) ([]byte, error) {
	refused := func(why string) error {
		return &connector.Refused{Reason: connector.GateRefused, Detail: connector.Protect("the EHR's entry cannot be changed safely: " + why)}
	}
	echo, err := r4.ReadEcho(body)
	if err != nil || len(echo.Attachments) != 1 {
		return nil, refused("it has not exactly one content")
	}
	var have map[string]json.RawMessage
	if json.Unmarshal(body, &have) != nil {
		return nil, refused("it is not JSON")
	}
	switch err := e.content(ctx, echo.Attachments); {
	case errors.Is(err, errElsewhere):
		return nil, refused(err.Error())
	case err != nil:
		return nil, readError(err)
	}
	out := map[string]any{"content": []any{map[string]any{"attachment": map[string]any{
		"contentType": echo.Attachments[0].ContentType, "data": base64.StdEncoding.EncodeToString(echo.Attachments[0].Data)}}}}
	for _, name := range updatable {
		if v, ok := have[name]; ok {
			out[name] = v
		}
	}
	narrowed, err := json.Marshal(out)
	if err != nil {
		return nil, refused("an element is not JSON")
	}
	return narrowed, nil
}
