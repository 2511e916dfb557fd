# bench/programs/records-work.pl - log lines made, split, counted in hashes of hashes, sorted and rewritten.
# SPDX-License-Identifier: MIT
use strict;
use warnings;

my $lines = int(130000 * $ARGV[0] / 100) || 1;
my $state = 12345;

sub draw {
    $state = ($state * 1103515245 + 12345) & 0x7fffffff;
    return ($state >> 8) % $_[0];
}

my (%count, %words, @kept);
for my $n (1 .. $lines) {
    my $line = sprintf("%05d host%d service-%d[%d]: %s", $n, draw(300), draw(40), draw(30000),
        join(" ", map { "word" . draw(5000) } 1 .. 4 + draw(8)));
    my ($host, $service, $text) = $line =~ /^\d+ (\S+) (\S+)\[\d+\]: (.*)$/ or die;
    $count{$host}{$service}++;
    $words{$_}++ for split / /, $text;
    $text =~ s/word(\d)/w$1/g;
    push @kept, { host => $host, text => $text } if draw(3) == 0;
    splice(@kept, 0, 5000) if @kept > 20000;
}
my $report = "";
for my $host (sort keys %count) {
    $report .= "$host " . join(",", map { "$_=$count{$host}{$_}" } sort keys %{ $count{$host} }) . "\n";
}
my @top = (sort { $words{$b} <=> $words{$a} || $a cmp $b } keys %words)[0 .. 9];
my @order = sort { $a->{text} cmp $b->{text} || $a->{host} cmp $b->{host} } @kept;
print length($report), " @top $order[0]{text} $order[-1]{host} ", scalar(@kept), "\n";
