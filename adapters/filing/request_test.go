package filing_test

import (
	"testing"

	"github.com/chartwire/chartwire/connector"
)

func request(id, status, why string) connector.Exchange {
	return exchange(connector.ItemRequest, comm, toPatient(""), func(x *connector.Exchange) {
		x.RequestID, x.RequestStatus, x.StatusReason = id, status, why
	})
}

func TestRequest(t *testing.T) {
	w := plan(t, policy(t), able(comm), request("01JD", "active", ""))[0]
	r := resource(t, w, "CommunicationRequest")
	if w.URL != "CommunicationRequest" || w.Identity.Value != "01JD" || w.Identity.System != base+"/texting/request" || w.Provides != "{request:01JD}" ||
		r["status"] != "active" || at(r, "groupIdentifier", "value") != "t-1" || r["authoredOn"] != "2026-11-22T13:03:11-05:00" ||
		at(r, "requester", "reference") != "Practitioner/prac-ana" || at(r, "recipient", 0, "reference") != "{patient}" ||
		at(r, "payload", 0, "contentString") != "hello" || at(r, "medium", 0, "coding", 0, "code") != "ONLINEWRIT" {
		t.Errorf("request: %v", r)
	}
}

func TestRequesterFitsR4(t *testing.T) {
	x := request("01JD", "active", "")
	x.Message.Sender = triage
	r := resource(t, plan(t, policy(t), able(comm), x)[0], "CommunicationRequest")
	if at(r, "requester", "reference") != "Organization/clinic-a" || at(r, "sender", "reference") != "HealthcareService/nurse-triage" {
		t.Errorf("a pool may send and not request: %v %v", r["sender"], r["requester"])
	}
}

func TestRequestStatus(t *testing.T) {
	keys := map[string]bool{}
	for _, x := range []connector.Exchange{request("01JD", "completed", ""), request("01JD", "on-hold", "blocked"), request("01JD", "on-hold", "no number")} {
		w := plan(t, policy(t), able(comm), x)
		if len(w) != 1 || w[0].Update == nil || w[0].Update.Target != "{request:01JD}" || w[0].Update.Set["status"] != x.RequestStatus {
			t.Fatalf("%+v", w)
		}
		if x.StatusReason != "" && at(w[0].Update.Set["statusReason"], "text") != x.StatusReason {
			t.Errorf("why: %v", w[0].Update.Set)
		}
		keys[w[0].Key] = true
	}
	if len(keys) != 3 {
		t.Errorf("each change is one of its own: %v", keys)
	}
}

func TestBornRequest(t *testing.T) {
	if w := plan(t, policy(t), able(comm), request("CommunicationRequest/cr1", "active", "")); len(w) != 0 {
		t.Errorf("the EHR's own request is not created again: %v", w)
	}
	w := plan(t, policy(t), able(comm), request("CommunicationRequest/cr1", "completed", ""))
	if len(w) != 1 || w[0].Update.Target != "CommunicationRequest/cr1" || w[0].URL != "CommunicationRequest/cr1" || w[0].Key != "CommunicationRequest/cr1#status=completed" {
		t.Errorf("%+v", w)
	}
}

func TestRequestsNotTaken(t *testing.T) {
	traits := able(comm)
	traits.RequestPut = false
	if w := plan(t, policy(t), traits, request("01JD", "completed", "")); len(w) != 0 {
		t.Errorf("no update: %v", w)
	}
	traits.Requests = false
	if w := plan(t, policy(t), traits, request("01JD", "active", "")); len(w) != 0 {
		t.Errorf("no create: %v", w)
	}
}
