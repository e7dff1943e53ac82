package webhook

import (
	"strconv"

	"github.com/chartwire/chartwire/connector"
)

func index(i int) string { return strconv.Itoa(i) }

func (k *checker) status(w *wireStatus) (string, *connector.Delivery) {
	if w == nil {
		return "", nil
	}
	k.in("status")
	defer k.out()
	k.must("message_id", w.MessageID != nil)
	k.must("state", w.State != nil)
	k.must("at", w.At != nil)
	k.participant("recipient", w.Recipient)
	return k.id("message_id", w.MessageID), &connector.Delivery{
		State: connector.SendState(k.enum("state", w.State, string(connector.Sent), string(connector.Delivered),
			string(connector.Read), string(connector.Failed))),
		At:     k.instant("at", w.At),
		Reason: k.text("reason", w.Reason, 0, 500),
	}
}

func (k *checker) correction(w *wireCorrection) (string, *connector.Correction) {
	if w == nil {
		return "", nil
	}
	k.in("correction")
	defer k.out()
	k.must("message_id", w.MessageID != nil)
	k.must("version", w.Version != nil)
	k.must("text", w.Text != nil)
	k.must("at", w.At != nil)
	return k.id("message_id", w.MessageID), &connector.Correction{
		Version:     int(k.atLeast("version", w.Version, 2)),
		Text:        k.text("text", w.Text, 0, 20000),
		At:          k.instant("at", w.At),
		By:          k.participant("by", w.By),
		Attachments: k.attachments(w.Attachments),
	}
}

func (k *checker) retraction(w *wireRetraction) (string, *connector.Retraction) {
	if w == nil {
		return "", nil
	}
	k.in("retraction")
	defer k.out()
	k.must("message_id", w.MessageID != nil)
	k.must("at", w.At != nil)
	return k.id("message_id", w.MessageID), &connector.Retraction{
		At:     k.instant("at", w.At),
		By:     k.participant("by", w.By),
		Reason: k.text("reason", w.Reason, 0, 500),
	}
}

func (k *checker) consent(w *wireConsent) *connector.Consent {
	if w == nil {
		return nil
	}
	k.in("consent")
	defer k.out()
	k.must("state", w.State != nil)
	k.must("at", w.At != nil)
	return &connector.Consent{
		State:        k.enum("state", w.State, "granted", "revoked"),
		Phone:        k.text("phone", w.Phone, 0, 0),
		MessageTypes: w.MessageTypes,
		How:          k.enum("how", w.How, "keyword", "web", "verbal", "paper"),
		At:           k.instant("at", w.At),
		Of:           k.participant("of", w.Of),
	}
}
