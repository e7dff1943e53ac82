package webhook_test

// corpus holds one rich event of each type, and a few lean ones. The mutations of differential_test.go start from them.
var corpus = []string{
	`{"type":"message.created","timestamp":"2026-11-22T18:03:12Z","data":{
	  "thread":{"id":"t-42","subject":"Home readings","topic":"clinical","priority":"urgent","encounter":{"system":"urn:visits","value":"v-1"},"about":["Appointment/123","ServiceRequest/9"]},
	  "patient":{"identifiers":[{"system":"urn:oid:2.16.840.1.113883.19.5","value":"MRN123"}],"name":{"family":"Cho","given":["Daniel","J"]},"birth_date":"2015-07-04","phone":"+15005550006"},
	  "message":{"id":"m-1","sequence":1,"direction":"from_patient","sent_at":"2026-11-22T13:03:11.25-05:00",
	    "sender":{"role":"proxy","id":"u-901","identifier":{"system":"http://id.example/u","value":"901"},"name":"Maria Cho","relationship":"mother"},
	    "recipients":[{"role":"pool","id":"nurse-triage","name":"Nurse triage"},{"role":"system"}],
	    "text":"98|60 & pulse 88 — OK? 🙂","in_reply_to":"m-0","language":"en-US","priority":"routine",
	    "attachments":[{"id":"a-1","filename":"reading.png","content_type":"image/png","data":"aGVsbG8=","size":5,"sha256":"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"},
	      {"id":"a-2","content_type":"image/jpeg","url":"https://media.texting.example/2","size":0,"sha256":"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}]}}}`,
	`{"type":"message.created","timestamp":"2026-11-22T18:03:12Z","data":{"thread":{"id":"t"},"message":{"id":"m","direction":"to_patient","sent_at":"2026-11-22T18:03:12Z","sender":{"role":"clinician","id":"prac-ana"},"text":"ok","client_message_id":"01JD9Z0B5T8V3W4X5Y6Z7A8B9C"}}}`,
	`{"type":"message.created","timestamp":"2026-11-22T18:03:12Z","data":{"thread":{"id":"t"},"message":{"id":"m","direction":"internal","sent_at":"2026-11-22T18:03:12Z","sender":{"role":"pool","id":"p"},"attachments":[{"id":"a","content_type":"","url":"urn:x:1"}]}}}`,
	`{"type":"message.status","timestamp":"2026-11-22T18:10:04Z","data":{"thread":{"id":"t-42"},"status":{"message_id":"m-2","state":"delivered","reason":"by carrier","at":"2026-11-22T18:10:03+00:00","recipient":{"role":"patient","id":"u-1"}}}}`,
	`{"type":"message.corrected","timestamp":"2026-11-22T18:10:04Z","data":{"thread":{"id":"t-42"},"correction":{"message_id":"m-1","version":2,"text":"","at":"2026-11-22T18:11:00Z","by":{"role":"patient","identifier":{"system":"urn:x","value":""}},"attachments":[{"id":"a-1","content_type":"text/plain","data":""}]}}}`,
	`{"type":"message.retracted","timestamp":"2026-11-22T18:10:04Z","data":{"thread":{"id":"t-42"},"retraction":{"message_id":"m-1","at":"2026-11-22T18:11:00Z","by":{"role":"staff","id":"s"},"reason":"wrong person"}}}`,
	`{"type":"thread.closed","timestamp":"2026-11-22T19:00:00Z","data":{"thread":{"id":"t-42"}}}`,
	`{"type":"thread.reopened","timestamp":"2026-11-22T19:00:00-11:30","data":{"thread":{"id":"t-42","priority":"stat"},"status":{"message_id":"m","state":"read","at":"2026-11-22T19:00:00Z"}}}`,
	`{"type":"consent.updated","timestamp":"2026-11-22T19:00:00Z","data":{"patient":{"identifiers":[{"system":"urn:x","value":"1"},{"system":"urn:y","value":"2"}]},"consent":{"state":"revoked","phone":"STOP","message_types":["reminder"],"how":"keyword","at":"2026-11-22T19:00:00Z","of":{"role":"proxy","id":"u-901"}}}}`,
	`{"type":"consent.updated","timestamp":"2026-11-22T19:00:00Z","data":{"thread":{"id":"t-42"},"consent":{"state":"granted","at":"2026-11-22T19:00:00Z"}}}`,
}
