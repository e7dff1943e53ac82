package openemr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/chartwire/chartwire/adapters/ehr/fhir"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
)

// taken is the whole answer to an upload that was taken.
var taken = []byte("true")

// File uploads the document once and looks for it: the answer names no id, so the list and the content are the proof. Errors:
// *connector.Refused, *Retry, *Conflicted; *Ambiguous where the document may be there and cannot be seen (yet); ErrFenced where
// the lease was lost before a byte was written.
func (e *EHR) File(ctx context.Context, w connector.Write) (connector.Receipt, error) {
	if err := e.ready(); err != nil {
		return connector.Receipt{}, err
	}
	pid, err := e.pid(ctx, w.Expect.Subject)
	if err != nil {
		return connector.Receipt{}, err // a read: nothing was uploaded
	}
	resp, err := e.api.Call(ctx, client.Request{Method: http.MethodPost, Path: "patient/" + pid + "/document", Query: query(w), Body: w.Body,
		ContentType: w.Header["Content-Type"], Header: acceptJSON()})
	if err != nil {
		return connector.Receipt{}, declined(fhir.WriteError(err))
	}
	if resp.Status != http.StatusOK || !bytes.Equal(bytes.TrimSpace(resp.Body), taken) {
		return connector.Receipt{}, &connector.Ambiguous{Status: resp.Status, Cause: errors.New("the answer to the upload is not true"),
			Answer: connector.Protect(string(resp.Body))}
	}
	r, err := e.look(ctx, w)
	if err != nil { // what is wrong with it Find will say
		return connector.Receipt{}, &connector.Ambiguous{Status: resp.Status, Cause: errors.New("the upload was answered with true, and the document is not seen"),
			Answer: connector.Protect(string(resp.Body))}
	}
	r.Found, r.Status = false, resp.Status
	return r, nil
}

func acceptJSON() http.Header { return http.Header{"Accept": {"application/json"}} }

// query is the query of a write's URL: the category as it was when the write was planned.
func query(w connector.Write) url.Values {
	_, raw, _ := strings.Cut(w.URL, "?")
	q, _ := url.ParseQuery(raw) // ours
	return q
}

// declined says what a 404 to an upload means: the API gives one answer for all of it.
func declined(err error) error {
	var refused *connector.Refused
	if !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		return err
	}
	told := *refused
	told.Detail = connector.Protect("OpenEMR declined the document and does not say why: its category may not exist (openemr.category), its type may not be on the " +
		"list of files that may be uploaded (Administration, Files), or it may hold control characters, which make a text no text to OpenEMR. The web server's error log has the reason. " +
		refused.Detail.Reveal())
	return &told
}

var digits = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)

// mostPids bounds what is remembered; beyond it everything is forgotten and asked again.
const mostPids = 100_000

// pid is the number the standard API knows a patient by. FHIR does not show it: the identifier of type PT is the number the
// clinic calls the patient by, which can be another. Errors: *connector.Refused, *Retry.
func (e *EHR) pid(ctx context.Context, patient string) (string, error) {
	e.mu.Lock()
	pid, known := e.pids[patient]
	e.mu.Unlock()
	if known {
		return pid, nil
	}
	uuid, ok := strings.CutPrefix(patient, "Patient/")
	if !ok || uuid == "" || strings.Contains(uuid, "/") {
		return "", refusedByGate("the write is for no patient of the EHR")
	}
	resp, err := e.api.Call(ctx, client.Request{Method: http.MethodGet, Path: "patient/" + uuid, Header: acceptJSON()})
	if err != nil {
		if errors.Is(err, connector.ErrFenced) {
			return "", connector.ErrFenced
		}
		return "", fhir.ReadError(err)
	}
	var answer struct {
		Data struct {
			UUID string
			Pid  json.RawMessage // a number, or its digits as a text
		}
	}
	err = json.Unmarshal(resp.Body, &answer)
	pid = strings.Trim(string(answer.Data.Pid), `"`)
	if err != nil || !strings.EqualFold(answer.Data.UUID, uuid) || !digits.MatchString(pid) {
		return "", &connector.Refused{Reason: connector.WrongSubject, Status: resp.Status,
			Detail: connector.Protect("the standard API does not say by which number (pid) it knows the patient FHIR calls by this uuid"), Answer: connector.Protect(string(resp.Body))}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.pids) >= mostPids {
		clear(e.pids)
	}
	e.pids[patient] = pid
	return pid, nil
}
