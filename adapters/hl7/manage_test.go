package hl7

import (
	"errors"
	"testing"
)

// TestLinkQuery: the query names nobody and asks for nothing but an answer; the answer tells of the link and is matched as every
// other is.
func TestLinkQuery(t *testing.T) {
	h := mdm("T02", at(14, 15, 30), "E1", "v1").Header
	m, err := LinkQuery{Header: h}.Message()
	want := "MSH|^~\\&|MSGCONN|CLINIC_A|EHR|HOSP_A|20261122141530-0500||NMQ^N01^NMQ_N01|E1|P|2.5.1|||||USA|UNICODE UTF-8\rNST|N\r"
	if got := encoded(t, m, err); got != want {
		t.Errorf("written %q\nwant    %q", got, want)
	}
	in, err := ReadMSH(m)
	if err != nil {
		t.Fatal(err)
	}
	m, err = LinkAnswer(AckTo(in, AckAA, "R1", at(14, 15, 31)))
	want = "MSH|^~\\&|EHR|HOSP_A|MSGCONN|CLINIC_A|20261122141531-0500||NMR^N01^NMR_N01|R1|P|2.5.1||||||UNICODE UTF-8\rMSA|AA|E1\rNST|N\r"
	if got := encoded(t, m, err); got != want {
		t.Errorf("answered %q\nwant     %q", got, want)
	}
	if a, err := ReadAck(m); err != nil || a.Code != AckAA || a.ControlID != "E1" {
		t.Errorf("read as %+v (%v)", a, err)
	}
}

// TestLinkQueryLacks: a header without what the standard requires is no query, and an answer of no code none.
func TestLinkQueryLacks(t *testing.T) {
	var p *Problem
	if _, err := (LinkQuery{}).Message(); !errors.As(err, &p) {
		t.Errorf("a query without a header: %v", err)
	}
	if _, err := LinkAnswer(AckTo(mdm("T02", at(1, 2, 3), "E1", "v1").Header, "XX", "R1", at(1, 2, 3))); !errors.As(err, &p) || p.Code != TableValue {
		t.Errorf("an answer of no code: %v", err)
	}
}
