package filing

import (
	"strings"

	"github.com/chartwire/chartwire/fhir/r4"
)

// aboutTypes are the resource types a thread may be about. Platforms repeat references the EHR issued; anything else
// would be refused by the chart and take the whole thread with it.
var aboutTypes = map[string]bool{
	"AllergyIntolerance": true, "Appointment": true, "AppointmentResponse": true, "CarePlan": true, "CareTeam": true,
	"Claim": true, "CommunicationRequest": true, "Composition": true, "Condition": true, "Consent": true, "Coverage": true,
	"Device": true, "DeviceRequest": true, "DiagnosticReport": true, "DocumentReference": true, "Encounter": true,
	"EpisodeOfCare": true, "ExplanationOfBenefit": true, "Goal": true, "ImagingStudy": true, "Immunization": true,
	"Invoice": true, "Media": true, "MedicationAdministration": true, "MedicationDispense": true, "MedicationRequest": true,
	"MedicationStatement": true, "NutritionOrder": true, "Observation": true, "Procedure": true, "Questionnaire": true,
	"QuestionnaireResponse": true, "RiskAssessment": true, "Schedule": true,
	"ServiceRequest": true, "Slot": true, "Specimen": true, "Task": true,
}

// chartReference says whether a platform's reference is a relative one to something a message can be about.
func chartReference(ref string) bool {
	kind, _, ok := strings.Cut(ref, "/")
	return ok && r4.LocalID(ref) == ref && aboutTypes[kind]
}
