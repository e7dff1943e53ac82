package ehr

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// failure is a refusal on its way to the caller as an OperationOutcome (FHIR R4 §3.1.0.1.4: every error carries one).
type failure struct {
	status     int
	code       string // IssueType, http://hl7.org/fhir/issue-type
	text       string // diagnostics; names elements and parameters, never their values
	expression string // FHIRPath of the element, "" where there is none
	allow      string // the Allow header of a 405
	challenge  string // the WWW-Authenticate header of a 401
	coding     coding // the vendor's own code, in issue.details; the zero one is left out
}

type coding struct{ system, code, display string }

func (f *failure) Error() string { return f.text }

func fail(status int, code, format string, args ...any) *failure {
	return &failure{status: status, code: code, text: fmt.Sprintf(format, args...)}
}

func (f *failure) at(expression string) *failure {
	f.expression = expression
	return f
}

// outcomeJSON builds an OperationOutcome with one issue.
func outcomeJSON(severity, code, text, expression string, details ...coding) []byte {
	issue := map[string]any{"severity": severity, "code": code, "diagnostics": text}
	if expression != "" {
		issue["expression"] = []any{expression}
	}
	for _, d := range details {
		if d != (coding{}) {
			issue["details"] = map[string]any{"coding": []any{map[string]any{"system": d.system, "code": d.code, "display": d.display}}}
		}
	}
	raw, err := json.Marshal(map[string]any{"resourceType": "OperationOutcome", "issue": []any{issue}})
	if err != nil {
		panic("an OperationOutcome of strings always marshals: " + err.Error())
	}
	return raw
}

func (f *failure) response() *Response {
	r := &Response{Status: f.status, Header: http.Header{}, Body: outcomeJSON("error", f.code, f.text, f.expression, f.coding)}
	r.Header.Set("Content-Type", mediaType)
	if f.status == http.StatusMethodNotAllowed {
		r.Header.Set("Allow", f.allow)
	}
	if f.challenge != "" {
		r.Header.Set("WWW-Authenticate", f.challenge)
	}
	return r
}

const mediaType = "application/fhir+json;charset=utf-8"

// instant renders a FHIR instant with milliseconds, in UTC.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
