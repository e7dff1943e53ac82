package traffic

import "fmt"

var (
	givens = []string{
		"Daniel", "Amara", "Lucía", "Owen", "Priya", "Tomasz", "Grace", "Hiro", "Fatima", "Caleb", "Ingrid", "Mateo", "Zoë",
		"Samuel", "Leilani", "Viktor", "Nia", "Élodie", "Marcus", "Yusuf", "Hannah", "Diego", "Aiko", "Ruth", "Kofi", "Sinéad",
		"Walter", "Noemi", "Jamal", "Beatriz", "Arjun",
	}
	families = []string{
		"Cho", "Okafor", "Hernández", "Whitlock", "Raman", "Nowak", "Abernathy", "Tanaka", "Haddad", "Sorensen", "Lindgren",
		"Castillo", "O'Malley", "Brandt", "Kahale", "Petrov", "Mensah", "Dubois", "Ellery", "Demir", "Weiss", "Fuentes",
		"Yamada", "Goldfarb", "Asante", "Gallagher", "Prescott", "Ferrari", "Whitfield", "Moreira", "Iyer", "Nguyen-Tran",
		"de la Cruz", "St. James", "Thornbury", "Kowalczyk", "Adeyemi",
	}
	nurseTriage = participant{Role: "pool", ID: "nurse-triage", Name: "Nurse triage"}
	refillDesk  = participant{Role: "pool", ID: "refill-desk", Name: "Refill desk"}
	frontDesk   = participant{Role: "pool", ID: "front-desk", Name: "Front desk"}
)

// clinicians answer messages; their NPIs have a valid check digit and belong to nobody we know.
var clinicians = []participant{
	clinician("prac-ana", "Ana Rivera", "1234567893"),
	clinician("prac-ben", "Ben Osei", npi("199955001")),
	clinician("prac-chloe", "Dr. Chloe Martin", npi("199955002")),
	clinician("prac-dev", "Dr. Dev Sharma", npi("199955003")),
	clinician("prac-elif", "Elif Arslan", npi("199955004")),
	clinician("prac-finn", "Finn Gallagher", npi("199955005")),
}

func clinician(id, name, npi string) participant {
	return participant{Role: "clinician", ID: id, Name: name, Identifier: &identifier{"http://hl7.org/fhir/sid/us-npi", npi}}
}

// npi adds the check digit of a National Provider Identifier: Luhn over 80840 and the nine digits (45 CFR 162.406).
func npi(nine string) string {
	sum := 24 // what the prefix 80840 contributes
	for i, c := range nine {
		d := int(c - '0')
		if i%2 == 0 {
			d *= 2
			d = d/10 + d%10
		}
		sum += d
	}
	return fmt.Sprintf("%s%d", nine, (10-sum%10)%10)
}

// conversation is a script: patient and clinic take turns, the patient first.
type conversation struct {
	subject, topic string
	pool           participant
	urgent         bool
	lines          []string
}

// line gives the nth line; past the end the conversation goes on in short follow-ups, each different.
func (c conversation) line(n int) string {
	if n < len(c.lines) {
		return c.lines[n]
	}
	if n%2 == 0 {
		return fmt.Sprintf("One more update, day %d: about the same as yesterday.", n/2)
	}
	return fmt.Sprintf("Thank you for update %d. Please keep going and tell us if anything changes.", n/2)
}

var conversations = []conversation{
	{"Home blood pressure", "clinical", nurseTriage, false, []string{
		"Good morning, my readings this week were 142/91, 138/88 and 145/90. Should I be worried?",
		"Thank you for sending these. Are you taking the lisinopril every morning, and at what time do you measure?",
		"Yes, every morning at 7. I measure after breakfast, maybe 20 minutes after coffee ☕.",
		"Please measure before coffee, sitting for 5 minutes, twice a day for the next week & send us the numbers.",
		"Will do, thanks!",
	}},
	{"Refill: metformin 500 mg", "refill", refillDesk, false, []string{
		"Hi, I have 4 tablets of metformin left. Could you send a refill to the pharmacy on Elm Street?",
		"Your refill for metformin 500 mg, 90 tablets, was sent to the Elm Street pharmacy. It should be ready after 3 pm.",
		"They say they haven't got it yet?",
		"We called them: it was under review and is ready now. Sorry for the extra trip.",
		"Picked it up. Thank you!",
	}},
	{"Cough for two weeks", "clinical", nurseTriage, false, []string{
		"My cough is not getting better. It's been about 2 weeks, mostly at night. No fever.",
		"Sorry to hear that. Any shortness of breath, chest pain, or blood when you cough?",
		"No to all of those. A bit of wheezing when I lie down.",
		"We'd like to see you this week. Would Thursday at 10:20 work?",
		"Thursday 10:20 works, see you then.",
	}},
	{"Resultados de laboratorio", "results", nurseTriage, false, []string{
		"Buenos días, ¿ya están mis resultados de la hemoglobina A1c?",
		"Sí, llegaron hoy: A1c 7,1 %, un poco mejor que en marzo (7,6 %). ¡Buen trabajo!",
		"¡Qué alegría! ¿Sigo con la misma dosis?",
		"Sí, siga con la misma dosis y repetimos el análisis en tres meses.",
		"Muchas gracias 🙏",
	}},
	{"Rash after new medicine", "clinical", nurseTriage, true, []string{
		"I started amoxicillin yesterday and now I have an itchy rash on my chest and arms.",
		"Please stop the amoxicillin now. Any swelling of the face or lips, or trouble breathing? If so call 911.",
		"No swelling, breathing is fine. Just very itchy.",
		"Good. Take cetirizine 10 mg once today; the doctor will call you within the hour about another antibiotic.",
		"Ok, waiting for the call. Thank you.",
	}},
	{"Change of appointment", "scheduling", frontDesk, false, []string{
		"I can't make my appointment on the 14th. Is there anything the week after?",
		"We have Tuesday the 21st at 9:00 or Friday the 24th at 14:30.",
		"Friday the 24th please.",
		"Done: Friday the 24th at 14:30 with Dr. Sharma. Please bring your medicine list.",
		"Perfect.",
	}},
	{"After the knee surgery", "check-in", nurseTriage, false, []string{
		"Day 3 after surgery: pain 4/10, bandage is dry, I can bend to about 60°.",
		"That sounds right on track. Any calf pain, fever over 38 °C, or numbness?",
		"No fever, no calf pain. The foot tingles a little when I ice it too long <15 min>.",
		"Limit the ice to 10 minutes with a towel in between. Call us if the tingling stays after you warm up.",
		"Good idea, it went away. Thanks.",
	}},
	{"Question about a bill", "billing", frontDesk, false, []string{
		"I got a bill for $182.40 for the visit on 10/03, but I thought it was covered?",
		"The claim was sent with the old insurance number. Could you tell us the member id on your new card?",
		"It's on the card I gave at check-in on 10/03; I can bring it again on Monday.",
		"We found the copy and sent the claim again. Please ignore the bill for now.",
		"Great, thank you.",
	}},
}
