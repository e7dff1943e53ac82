package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// extras are what the bundled run shows beyond the platform's own events: a reply through the API, and a request born in
// the EHR.
func (r *run) extras(ctx context.Context) error {
	if err := r.reply(ctx, r.firstThread(), "Thank you, that looks as it should. Write again any time."); err != nil {
		return err
	}
	return r.askFromEHR(ctx)
}

// reply answers in a thread through the API, the way a portal does.
func (r *run) reply(ctx context.Context, thread, text string) error {
	body, _ := json.Marshal(map[string]string{"text": text})
	url := r.app.Public() + "/api/v1/threads/" + channel + ":" + thread + "/messages"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+r.api)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 2000))
		return fmt.Errorf("the reply was answered %d: %s", resp.StatusCode, said)
	}
	r.say("replied in %s through the API\n", thread)
	return nil
}

// askFromEHR creates a CommunicationRequest in the EHR, as a clinician's order would, and waits until it was sent.
func (r *run) askFromEHR(ctx context.Context) error {
	if !r.kind.asks {
		return nil
	}
	patient := r.refs.Patients[r.people.Patients[len(r.people.Patients)-1].Identifiers[0]]
	r.born = "Please bring your inhaler and your peak flow diary to Thursday's visit."
	request, _ := json.Marshal(map[string]any{
		"resourceType": "CommunicationRequest", "status": "active",
		"identifier": []any{map[string]string{"system": "https://clinic.example/sid/order", "value": "demo-" + r.began.Format("20060102150405.000")}},
		"medium":     []any{map[string]any{"coding": []any{map[string]string{"system": identityBase + "/channel", "code": channel}}}},
		"subject":    map[string]string{"reference": patient}, "recipient": []any{map[string]string{"reference": patient}},
		"requester": map[string]string{"reference": r.actAs()}, "authoredOn": r.clock.Now().Format(time.RFC3339),
		"payload": []any{map[string]string{"contentString": r.born}},
	})
	if err := r.createInEHR(ctx, request); err != nil {
		return err
	}
	r.say("a clinician asked from inside the EHR (CommunicationRequest)\n")
	return r.until(ctx, func() bool {
		for _, m := range r.platform.Received() {
			if m.Message.Text == r.born {
				return true
			}
		}
		return false
	})
}

func (r *run) createInEHR(ctx context.Context, resource []byte) error {
	if r.sandbox != nil {
		_, err := r.sandbox.Put(resource)
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base+"/CommunicationRequest", bytes.NewReader(resource))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 2000))
		return fmt.Errorf("the EHR refused the request with status %d: %s", resp.StatusCode, said)
	}
	return nil
}

// until waits for something outside the store, for as long as a run may stand still.
func (r *run) until(ctx context.Context, ok func() bool) error {
	began := r.clock.Now()
	for !ok() {
		if r.clock.Now().Sub(began) > r.o.Stall {
			return fmt.Errorf("%w: the EHR-born request was not sent within %s", ErrNotClean, r.o.Stall)
		}
		timer := r.clock.NewTimer(50 * time.Millisecond)
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C():
		}
	}
	return nil
}
