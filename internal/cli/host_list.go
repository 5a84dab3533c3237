package cli

import (
	"bytes"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/client"
)

func (p *program) hostList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the hosts and what they boot",
		Long: `List the hosts and what they boot. A state in parentheses, such as (partial),
stands where the links of a host do not agree on one configuration; 'pxe-pilot
host show HOST' tells more. The power state is what the server has learnt last;
'pxe-pilot host status HOST...' asks now.`,
		Example: `  pxe-pilot host list
  pxe-pilot host list -o json`,
		Args:              positional(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	return listing(p, cmd, (*client.Client).Hosts, listedHosts)
}

func listedHosts(hosts []apiv1.Host) result {
	names := make([]string, len(hosts))
	for i := range hosts {
		names[i] = hosts[i].Name
	}
	return result{
		data:  append([]apiv1.Host{}, hosts...),
		names: names,
		text: func(b *bytes.Buffer) {
			t := newTable("NAME", "CONFIGURATION", "MAC ADDRESSES", "IPMI MAC", "IPMI HOST", "POWER STATE")
			for i := range hosts {
				h := &hosts[i]
				var bmc apiv1.IPMI
				if h.IPMI != nil {
					bmc = *h.IPMI
				}
				t.row(h.Name, configurationCell(h), macCell(h), bmc.MACAddress, bmc.Hostname, h.PowerState)
			}
			t.write(b)
		},
	}
}

// configurationCell is the configuration of a host, or else its state in
// parentheses, or nothing where it has no links.
func configurationCell(h *apiv1.Host) string {
	switch {
	case h.Configuration != nil:
		return h.Configuration.Name
	case h.State == "" || h.State == string(pxepilot.None):
		return ""
	}
	return "(" + h.State + ")"
}

func macCell(h *apiv1.Host) string { return strings.Join(h.MACAddresses, " | ") }
