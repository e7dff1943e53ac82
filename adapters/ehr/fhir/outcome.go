package fhir

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
	"github.com/chartwire/chartwire/fhir/r4"
)

// writeError turns a call that did not end well into what deliver decides by (DESIGN §3.3). What is not known to be
// harmless is ambiguous.
func (q Quirks) writeError(err error) error {
	if errors.Is(err, connector.ErrFenced) {
		return connector.ErrFenced // the lease was lost before a byte was written
	}
	var failed *client.Error
	if !errors.As(err, &failed) {
		return &connector.Ambiguous{Cause: errors.New("the call ended without a classified outcome")}
	}
	detail, answer := connector.Protect(words(failed.Issues)), connector.Protect(string(failed.Answer))
	switch {
	case failed.Class == client.Retry:
		return retry(failed)
	case failed.Class == client.Conflict, failed.Class == client.Refused && q.there(failed):
		return &connector.Conflicted{Status: failed.Status, Codes: codes(failed.Issues), Answer: answer}
	case failed.Class == client.Refused, failed.Class == client.Unauthorized:
		return &connector.Refused{Reason: q.meaning(failed), Status: failed.Status, Codes: codes(failed.Issues), Detail: detail, Answer: answer}
	default:
		return &connector.Ambiguous{Status: failed.Status, Cause: safe(failed), Detail: detail, Answer: answer}
	}
}

// readError is writeError for a call that changes nothing: what is ambiguous for a write can simply be asked again.
func readError(err error) error {
	var failed *client.Error
	if !errors.As(err, &failed) {
		return &connector.Retry{Reason: connector.EHRUnavailable, Cause: errors.New("the answer could not be read")}
	}
	switch failed.Class {
	case client.Refused, client.Unauthorized:
		return &connector.Refused{Reason: reason(failed), Status: failed.Status, Codes: codes(failed.Issues),
			Detail: connector.Protect(words(failed.Issues))}
	default:
		return retry(failed)
	}
}

func retry(failed *client.Error) error {
	reason := connector.EHRUnavailable
	if failed.Status == http.StatusTooManyRequests {
		reason = connector.RateLimited
	}
	return &connector.Retry{Reason: reason, Status: failed.Status, After: failed.After, Cause: safe(failed),
		Answer: connector.Protect(string(failed.Answer))}
}

// reason is why a definite no was given.
func reason(failed *client.Error) connector.Reason {
	switch {
	case failed.Class == client.Unauthorized:
		return connector.Unauthorized
	case failed.Status == http.StatusForbidden:
		return connector.ScopeMissing
	case failed.Status == http.StatusRequestEntityTooLarge:
		return connector.TooLarge
	case failed.Status == 0:
		return connector.Internals // nothing was sent: the request could not be built
	default:
		return connector.EHRRefused
	}
}

// safe keeps the sentence of an error and drops its cause, whose text may hold a URL.
func safe(failed *client.Error) error { return errors.New(failed.Error()) }

// codes are the issue codes of an answer; words are its own sentences, which may repeat PHI.
func codes(issues []r4.Issue) []string {
	var out []string
	for _, i := range issues {
		for _, c := range append([]string{i.Code}, i.Detail...) {
			if c != "" && !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	return out
}

func words(issues []r4.Issue) string {
	var out []string
	for _, i := range issues {
		line := strings.TrimSpace(i.Severity + " " + i.Code + " " + strings.Join(i.Expression, ",") + " " + i.Text.Reveal())
		if line != "" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// gone says whether a read found nothing there.
func gone(err error) bool {
	var failed *client.Error
	return errors.As(err, &failed) && (failed.Status == http.StatusNotFound || failed.Status == http.StatusGone)
}

// unknownInteraction says whether the EHR answered that it does not do this at all.
func unknownInteraction(err error) bool {
	var failed *client.Error
	if !errors.As(err, &failed) {
		return false
	}
	return failed.Status == http.StatusMethodNotAllowed || failed.Status == http.StatusNotImplemented ||
		(failed.Class == client.Refused && slices.Contains(codes(failed.Issues), "not-supported"))
}
