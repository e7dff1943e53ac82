package r4

import (
	"encoding/base64"
	"time"

	"github.com/samply/golang-fhir-models/fhir-models/fhir"
)

// RelatedPerson is a proxy: a person acting for a patient (R4 RelatedPerson).
type RelatedPerson struct{ fhir.RelatedPerson }

// NewRelatedPerson starts an active RelatedPerson of patient.
func NewRelatedPerson(id Identifier, patient Reference) *RelatedPerson {
	return &RelatedPerson{fhir.RelatedPerson{Identifier: []Identifier{id}, Active: Ptr(true), Patient: patient}}
}

// MarshalJSON encodes the resource, or refuses it with a [*Problem].
func (r RelatedPerson) MarshalJSON() ([]byte, error) {
	return encode("RelatedPerson", struct {
		ResourceType string `json:"resourceType"`
		fhir.OtherRelatedPerson
	}{"RelatedPerson", fhir.OtherRelatedPerson(r.RelatedPerson)})
}

// Binary is raw content on the server (R4 Binary).
type Binary struct{ fhir.Binary }

// NewBinary makes a Binary of data; securityContext, if not "", is the resource whose access
// rules also protect it.
func NewBinary(contentType string, data []byte, securityContext string) *Binary {
	b := &Binary{fhir.Binary{ContentType: contentType, Data: String(base64.StdEncoding.EncodeToString(data))}}
	if securityContext != "" {
		b.SecurityContext = Ptr(Ref(securityContext))
	}
	return b
}

// MarshalJSON encodes the resource, or refuses it with a [*Problem].
func (b Binary) MarshalJSON() ([]byte, error) {
	return encode("Binary", struct {
		ResourceType string `json:"resourceType"`
		fhir.OtherBinary
	}{"Binary", fhir.OtherBinary(b.Binary)})
}

// Subscription is an R4 rest-hook subscription.
type Subscription struct{ fhir.Subscription }

// NewSubscription asks the server to POST an empty notification to endpoint whenever criteria (a
// search, e.g. "CommunicationRequest?status=active") has a new match. header lines ("Name:
// value") are sent along; they carry the secret by which the receiver knows the server.
func NewSubscription(criteria, endpoint, reason string, header ...string) *Subscription {
	return &Subscription{fhir.Subscription{
		Status: fhir.SubscriptionStatusRequested, Reason: reason, Criteria: criteria,
		Channel: fhir.SubscriptionChannel{Type: fhir.SubscriptionChannelTypeRestHook, Endpoint: String(endpoint), Header: header},
	}}
}

// MarshalJSON encodes the resource, or refuses it with a [*Problem].
func (s Subscription) MarshalJSON() ([]byte, error) {
	return encode("Subscription", struct {
		ResourceType string `json:"resourceType"`
		fhir.OtherSubscription
	}{"Subscription", fhir.OtherSubscription(s.Subscription)})
}

// Task is work about a message: an assignment, or one reader's receipt (R4 Task).
type Task struct{ fhir.Task }

// NewTask starts a Task of intent "order" about focus, for the patient.
func NewTask(status TaskStatus, id Identifier, focus, patient Reference) *Task {
	return &Task{fhir.Task{Identifier: []Identifier{id}, Status: status, Intent: "order", Focus: &focus, For: &patient}}
}

// SetTimes sets authoredOn and lastModified; lastModified may not be earlier (inv-1).
func (t *Task) SetTimes(authored, modified time.Time) {
	t.AuthoredOn, t.LastModified = String(DateTime(authored)), String(DateTime(modified))
}

// MarshalJSON encodes the resource, or refuses it with a [*Problem].
func (t Task) MarshalJSON() ([]byte, error) {
	return encode("Task", struct {
		ResourceType string `json:"resourceType"`
		fhir.OtherTask
	}{"Task", fhir.OtherTask(t.Task)})
}
