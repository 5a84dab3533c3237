package cli

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/client"
)

// maxRate is the most packets a second that the server sends.
const maxRate = 1_000_000

func (p *program) discover() *cobra.Command {
	cmd := p.discoverCommand("discover")
	cmd.Short = "Find the addresses of BMCs that are known by MAC address"
	cmd.GroupID = groupID(askGroup)
	return cmd
}

// hostRefresh is discover under another name.
func (p *program) hostRefresh() *cobra.Command {
	cmd := p.discoverCommand("refresh")
	cmd.Short = "Find the addresses of BMCs, as 'pxe-pilot discover' does"
	return cmd
}

func (p *program) discoverCommand(name string) *cobra.Command {
	var rate int
	cmd := &cobra.Command{
		Use: name,
		Long: `Find the addresses of BMCs that are known by MAC address: the server asks every
address of their subnets by ARP, and remembers who answered. It stops early once
all are found. A BMC that is on another network cannot be found so: tell its
address in the file, by ipmi.hostname.`,
		Example: `  pxe-pilot discover
  pxe-pilot discover --rate 1000 -o json`,
		Args:              positional(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().IntVar(&rate, "rate", 0, "Send `N` packets a second (default: the server's choice)")
	form := withOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("rate") && (rate < 1 || rate > maxRate) {
			return wrongUsage(cmd, "option --rate: %d: want 1 to %d", rate, maxRate)
		}
		c, err := p.connect(cmd)
		if err != nil {
			return err
		}
		stop := p.progress(cmd.Context(), sweepLine(c))
		found, err := c.Discover(cmd.Context(), rate)
		stop()
		if err != nil {
			return err
		}
		if err := p.print(*form, discovered(found)); err != nil {
			return err
		}
		return p.tellSweeps(found.Subnets)
	}
	return cmd
}

// sweepLine asks how far the sweep is.
func sweepLine(c *client.Client) func(context.Context) string {
	return func(ctx context.Context) string {
		now, err := c.DiscoveryProgress(ctx)
		if err != nil || !now.Running {
			return ""
		}
		return fmt.Sprintf("%d of %d addresses asked, %d of %d BMCs found", now.Asked, now.Of, now.Found, now.Wanted)
	}
}

func discovered(found *apiv1.Discovery) result {
	var hosts []string
	for _, s := range found.Subnets {
		for _, f := range s.Found {
			hosts = append(hosts, f.Hosts...)
		}
	}
	slices.Sort(hosts)
	return result{
		data:  apiv1.Discovery{Subnets: append([]apiv1.SubnetSweep{}, found.Subnets...)},
		names: slices.Compact(hosts),
		text: func(b *bytes.Buffer) {
			t := newTable("SUBNET", "METHOD", "ASKED", "ANSWERED", "FOUND", "MISSING", "TIME")
			for _, s := range found.Subnets {
				if s.Method == "" {
					t.row(s.Subnet, "", "", "", "", "", "")
					continue
				}
				took := time.Duration(s.Seconds * float64(time.Second))
				t.row(s.Subnet, s.Method, strconv.Itoa(s.Asked), strconv.Itoa(s.Answered),
					strconv.Itoa(bmcsOf(s)), strconv.Itoa(len(s.Missing)), took.Round(10*time.Millisecond).String())
			}
			t.write(b)
		},
	}
}

// bmcsOf is how many BMCs were found, some of them at several addresses.
func bmcsOf(s apiv1.SubnetSweep) int {
	macs := map[string]bool{}
	for _, f := range s.Found {
		macs[f.MACAddress] = true
	}
	return len(macs)
}

// tellSweeps tells what is wrong with what was found.
func (p *program) tellSweeps(sweeps []apiv1.SubnetSweep) error {
	if len(sweeps) == 0 {
		p.say("note", "there is no subnet to look in: no BMC is known by MAC address and subnet")
	}
	failed := false
	for _, s := range sweeps {
		for _, twice := range s.Duplicates {
			p.say("note", s.Subnet+": "+twice)
		}
		if s.Note != "" {
			p.say("note", s.Subnet+": "+s.Note)
		}
		for _, m := range s.Missing {
			if s.Problem != "" {
				break // nobody asked for it
			}
			about := "the BMC " + m.MACAddress + " did not answer in " + s.Subnet
			if len(m.Hosts) == 0 {
				p.say("note", about)
			}
			for _, host := range m.Hosts {
				p.say("note", ofHost(host, about))
			}
		}
		if s.Problem != "" {
			p.say("error", ofSubnet(s))
			failed = true
		}
	}
	if failed {
		return silentError(exitFailed)
	}
	return nil
}

// ofSubnet begins a problem with the subnet, unless it does already.
func ofSubnet(s apiv1.SubnetSweep) string {
	if strings.Contains(s.Problem, s.Subnet) {
		return s.Problem
	}
	return s.Subnet + ": " + s.Problem
}
