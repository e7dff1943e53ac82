// Package variable names what a template's text may have filled in from a chart, each written {{NAME}}. The configuration takes no
// other; the inbox fills in each.
package variable

// The names.
const (
	AppointmentDate  = "appointment.date" // of the patient's next booked one
	AppointmentPlace = "appointment.place"
	AppointmentTime  = "appointment.time"
	ClinicName       = "clinic.name"
	PatientFamily    = "patient.family"
	PatientGiven     = "patient.given"
	PatientName      = "patient.name"
	PoolName         = "pool.name" // of the pool that has the thread
	UserName         = "user.name" // who writes
)

// All are the names, in their order.
var All = []string{AppointmentDate, AppointmentPlace, AppointmentTime, ClinicName, PatientFamily, PatientGiven, PatientName, PoolName, UserName}
