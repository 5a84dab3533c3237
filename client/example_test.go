package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/client"
)

// exampleServer answers like a PXE Pilot with three hosts.
func exampleServer() *httptest.Server {
	answers := map[string]string{
		"GET /v1/hosts": `[
			{"name":"h1","macAddresses":["00:00:00:00:00:01"],"configuration":null,"state":"none","canonical":true,"links":[]},
			{"name":"h2","macAddresses":["00:00:00:00:00:02"],"configuration":{"name":"local"},"state":"configured","canonical":true,"links":[]},
			{"name":"h3","macAddresses":["00:00:00:00:00:03","00:00:00:00:00:33"],"configuration":{"name":"local"},"state":"configured","canonical":true,"links":[]}]`,
		"GET /v1/configurations/local": `{"name":"local","content":"DEFAULT local\nLABEL local\n  LOCALBOOT 0\n"}`,
		"PUT /v1/configurations/ubuntu-16.04/deploy": `{"hosts":[
			{"name":"h2","configuration":"ubuntu-16.04","rebooted":"NO"},
			{"name":"h3","configuration":"ubuntu-16.04","rebooted":"NO"}]}`,
		"PUT /v1/configurations/local/deploy": `{"hosts":[
			{"name":"h2","configuration":"local","rebooted":"YES"},
			{"name":"h3","configuration":"local","rebooted":"ERROR","problem":"host \"h3\": BMC 10.0.0.3 does not answer"}]}`,
		"GET /v1/hosts/h2/explain": `{"name":"h2","configuration":{"name":"local"},"state":"configured","asDeployed":false,"searches":[
			{"bootloader":"pxelinux","macAddress":"00:00:00:00:00:02","source":"SYSLINUX","wins":"pxelinux.cfg/default","asks":[
				{"paths":["pxelinux.cfg/01-00-00-00-00-00-02"],"by":"mac","asked":true,"found":"unreadable","path":"pxelinux.cfg/01-00-00-00-00-00-02"},
				{"paths":["pxelinux.cfg/default"],"by":"default","asked":true,"found":"readable","path":"pxelinux.cfg/default"}],
				"reasons":["pxelinux.cfg/conf/local has mode 0600; 'chmod o+r' lets the user of a TFTP server read it"]}]}`,
		"GET /v1/hosts/h2/power": `{"name":"h2","powerState":"On","address":"10.0.0.2"}`,
		"PUT /v1/repair": `{"hosts":[{"name":"h3","configuration":"local","rebooted":"NO"}],"steps":[
			{"host":"h3","bootloader":"pxelinux","path":"pxelinux.cfg/01-00-00-00-00-00-33","was":"conf/local","becomes":"01-00-00-00-00-00-03"}]}`,
	}
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		answer, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			answer = `{"message":"configuration \"ubunto\" not found; did you mean ubuntu-16.04?"}`
		}
		fmt.Fprint(w, answer)
	}))
}

// Which machine boots what?
func Example() {
	server := exampleServer() // in place of http://localhost:3478
	defer server.Close()

	c, err := client.New(server.URL)
	if err != nil {
		panic(err)
	}
	hosts, err := c.Hosts(context.Background())
	if err != nil {
		panic(err)
	}
	for _, h := range hosts {
		boots := "(" + h.State + ")"
		if h.Configuration != nil {
			boots = h.Configuration.Name
		}
		fmt.Println(h.Name, boots)
	}
	// Output:
	// h1 (none)
	// h2 local
	// h3 local
}

// All of these hosts are switched, or none.
func ExampleClient_Deploy() {
	server := exampleServer()
	defer server.Close()

	c, err := client.New(server.URL)
	if err != nil {
		panic(err)
	}
	out, err := c.Deploy(context.Background(), "ubuntu-16.04", apiv1.Change{
		Hosts: []apiv1.HostRef{{Name: "h2"}, {MACAddress: "00:00:00:00:00:33"}},
	})
	if err != nil {
		panic(err)
	}
	for _, h := range out.Hosts {
		fmt.Println(h.Name, h.Configuration)
	}
	// Output:
	// h2 ubuntu-16.04
	// h3 ubuntu-16.04
}

// A BMC that fails leaves the configuration deployed, and its host's outcome says
// why the machine did not reboot.
func ExampleClient_Deploy_reboot() {
	server := exampleServer()
	defer server.Close()

	c, err := client.New(server.URL)
	if err != nil {
		panic(err)
	}
	out, err := c.Deploy(context.Background(), "local", apiv1.Change{
		Hosts: []apiv1.HostRef{{Name: "h2", Reboot: true}, {Name: "h3", Reboot: true}},
	})
	if err != nil {
		panic(err)
	}
	for _, h := range out.Hosts {
		fmt.Printf("%s %s %s %q\n", h.Name, h.Configuration, h.Rebooted, h.Problem)
	}
	// Output:
	// h2 local YES ""
	// h3 local ERROR "host \"h3\": BMC 10.0.0.3 does not answer"
}

// Is what was deployed what the machine will boot, and if not, why?
func ExampleClient_Explain() {
	server := exampleServer()
	defer server.Close()

	c, err := client.New(server.URL)
	if err != nil {
		panic(err)
	}
	e, err := c.Explain(context.Background(), "h2", false)
	if err != nil {
		panic(err)
	}
	fmt.Println("as deployed:", e.AsDeployed)
	for _, s := range e.Searches {
		fmt.Println(s.Bootloader, "gets", s.Wins)
		for _, reason := range s.Reasons {
			fmt.Println(reason)
		}
	}
	// Output:
	// as deployed: false
	// pxelinux gets pxelinux.cfg/default
	// pxelinux.cfg/conf/local has mode 0600; 'chmod o+r' lets the user of a TFTP server read it
}

// Power asks the BMC now; Hosts tells what was known last, at once.
func ExampleClient_Power() {
	server := exampleServer()
	defer server.Close()

	c, err := client.New(server.URL)
	if err != nil {
		panic(err)
	}
	power, err := c.Power(context.Background(), "h2")
	if err != nil {
		panic(err)
	}
	fmt.Println(power.PowerState, power.Address)
	// Output:
	// On 10.0.0.2
}

func ExampleClient_Configuration() {
	server := exampleServer()
	defer server.Close()

	c, err := client.New(server.URL)
	if err != nil {
		panic(err)
	}
	configuration, err := c.Configuration(context.Background(), "local", "")
	if err != nil {
		panic(err)
	}
	fmt.Print(configuration.Content)
	// Output:
	// DEFAULT local
	// LABEL local
	//   LOCALBOOT 0
}

// A dry run tells each rename that would be done.
func ExampleClient_Repair() {
	server := exampleServer()
	defer server.Close()

	c, err := client.New(server.URL)
	if err != nil {
		panic(err)
	}
	plan, err := c.Repair(context.Background(), apiv1.Change{All: true, DryRun: true})
	if err != nil {
		panic(err)
	}
	for _, s := range plan.Steps {
		fmt.Println(s.Path, s.Was, "becomes", s.Becomes)
	}
	// Output:
	// pxelinux.cfg/01-00-00-00-00-00-33 conf/local becomes 01-00-00-00-00-00-03
}

// What the server refuses, it refuses in a sentence for people.
func ExampleError() {
	server := exampleServer()
	defer server.Close()

	c, err := client.New(server.URL)
	if err != nil {
		panic(err)
	}
	_, err = c.Deploy(context.Background(), "ubunto", apiv1.Change{Hosts: []apiv1.HostRef{{Name: "h1"}}})
	var refused *client.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Status, refused.Message)
	}
	// Output:
	// 404 configuration "ubunto" not found; did you mean ubuntu-16.04?
}

func ExampleUnreachableError() {
	server := exampleServer()
	server.Close() // nobody listens any more

	c, err := client.New(server.URL)
	if err != nil {
		panic(err)
	}
	_, err = c.Hosts(context.Background())
	var unreachable *client.UnreachableError
	if errors.As(err, &unreachable) {
		fmt.Println("is the server running?", unreachable.Server == server.URL)
	}
	// Output:
	// is the server running? true
}
