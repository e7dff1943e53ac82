package r4

import "github.com/samply/golang-fhir-models/fhir-models/fhir"

// Code systems, canonical URLs and profiles used by the builders.
const (
	// SystemParticipationMode codes Communication.medium.
	SystemParticipationMode = "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode"
	// SystemCommunicationCategory codes Communication.category.
	SystemCommunicationCategory = "http://terminology.hl7.org/CodeSystem/communication-category"
	// SystemNotDoneReason codes Communication.statusReason.
	SystemNotDoneReason = "http://terminology.hl7.org/CodeSystem/communication-not-done-reason"
	// SystemProvenanceAgent codes Provenance.agent.type.
	SystemProvenanceAgent = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
	// SystemUSCoreProvenanceAgent codes the transmitter in US Core 6.1.0 to 8 (9 moved it to
	// [SystemProvenanceAgent]).
	SystemUSCoreProvenanceAgent = "http://hl7.org/fhir/us/core/CodeSystem/us-core-provenance-participant-type"
	// SystemDataOperation codes Provenance.activity.
	SystemDataOperation = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
	// SystemConfidentiality codes meta.security and securityLabel.
	SystemConfidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
	// SystemUSCoreDocumentCategory codes DocumentReference.category.
	SystemUSCoreDocumentCategory = "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category"
	// SystemLOINC is LOINC.
	SystemLOINC = "http://loinc.org"
	// ProfileUSCoreDocumentReference is the US Core DocumentReference profile.
	ProfileUSCoreDocumentReference = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-documentreference"
)

// EventStatus is Communication.status, http://hl7.org/fhir/event-status.
type EventStatus = fhir.EventStatus

// Values of [EventStatus]. There is no read state among them: status is the transmission's.
const (
	EventPreparation    = fhir.EventStatusPreparation
	EventInProgress     = fhir.EventStatusInProgress
	EventNotDone        = fhir.EventStatusNotDone
	EventOnHold         = fhir.EventStatusOnHold
	EventStopped        = fhir.EventStatusStopped
	EventCompleted      = fhir.EventStatusCompleted
	EventEnteredInError = fhir.EventStatusEnteredInError
	EventUnknown        = fhir.EventStatusUnknown
)

// RequestStatus is CommunicationRequest.status, http://hl7.org/fhir/request-status.
type RequestStatus = fhir.RequestStatus

// Values of [RequestStatus].
const (
	RequestDraft          = fhir.RequestStatusDraft
	RequestActive         = fhir.RequestStatusActive
	RequestOnHold         = fhir.RequestStatusOnHold
	RequestRevoked        = fhir.RequestStatusRevoked
	RequestCompleted      = fhir.RequestStatusCompleted
	RequestEnteredInError = fhir.RequestStatusEnteredInError
	RequestUnknown        = fhir.RequestStatusUnknown
)

// Priority is the required binding http://hl7.org/fhir/request-priority.
type Priority = fhir.RequestPriority

// Values of [Priority].
const (
	PriorityRoutine = fhir.RequestPriorityRoutine
	PriorityUrgent  = fhir.RequestPriorityUrgent
	PriorityASAP    = fhir.RequestPriorityAsap
	PriorityStat    = fhir.RequestPriorityStat
)

// DocumentStatus is DocumentReference.status.
type DocumentStatus = fhir.DocumentReferenceStatus

// Values of [DocumentStatus].
const (
	DocumentCurrent        = fhir.DocumentReferenceStatusCurrent
	DocumentSuperseded     = fhir.DocumentReferenceStatusSuperseded
	DocumentEnteredInError = fhir.DocumentReferenceStatusEnteredInError
)

// DocStatus is DocumentReference.docStatus (composition-status).
type DocStatus = fhir.CompositionStatus

// Values of [DocStatus].
const (
	DocPreliminary    = fhir.CompositionStatusPreliminary
	DocFinal          = fhir.CompositionStatusFinal
	DocAmended        = fhir.CompositionStatusAmended
	DocEnteredInError = fhir.CompositionStatusEnteredInError
)

// Relation is DocumentReference.relatesTo.code.
type Relation = fhir.DocumentRelationshipType

// Values of [Relation].
const (
	RelationReplaces = fhir.DocumentRelationshipTypeReplaces
	RelationAppends  = fhir.DocumentRelationshipTypeAppends
)

// TaskStatus is Task.status.
type TaskStatus = fhir.TaskStatus

// Values of [TaskStatus] the connector uses.
const (
	TaskRequested  = fhir.TaskStatusRequested
	TaskReceived   = fhir.TaskStatusReceived
	TaskAccepted   = fhir.TaskStatusAccepted
	TaskInProgress = fhir.TaskStatusInProgress
	TaskCompleted  = fhir.TaskStatusCompleted
	TaskCancelled  = fhir.TaskStatusCancelled
	TaskFailed     = fhir.TaskStatusFailed
)

// MediumOnline is Communication.medium of a portal or app message: ONLINEWRIT.
func MediumOnline() CodeableConcept {
	return Concept("", NewCoding(SystemParticipationMode, "ONLINEWRIT", "online written"))
}

// ClinicalNote is the DocumentReference.category US Core 6.1.0 requires.
func ClinicalNote() CodeableConcept {
	return Concept("", NewCoding(SystemUSCoreDocumentCategory, "clinical-note", "Clinical Note"))
}

// Restricted is the security label R of v3-Confidentiality.
func Restricted() Coding { return NewCoding(SystemConfidentiality, "R", "restricted") }
