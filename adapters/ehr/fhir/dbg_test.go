package fhir
import ("testing";"fmt";"github.com/chartwire/chartwire/adapters/sandbox/ehr")
func TestDbg(t *testing.T){
 l:=newLab(t, setting{traits: ehr.NoteOnly()})
 l.wire.set(func(b []byte) []byte { c:=rewriteWords(b); fmt.Println(string(b)); fmt.Println(string(c)); return c})
 resp,err:=l.adapter.client.Create(t.Context(), []byte(`{"resourceType":"DocumentReference","data":"YWJjIG5vdCA1MA=="}`), "")
 fmt.Println(resp.Status, err, string(resp.Body))
}
