// Which of our largest offices must be told of a clock change in 2026? Written the way a language model writes such things.
import fs from "fs";

const rows = (file) => fs.readFileSync(file, "utf8").split("\n").filter((l) => l && !l.startsWith("#")).map((l) => l.split("\t"));
const countries = new Map(rows("/data/iso3166.tab").map(([code, name]) => [code, name]));

// "+4852+00220" or "+404251-0740023" to degrees
const degrees = (s) => {
  const [, sign, d, m, sec] = s.match(/^([+-])(\d{2,3}?)(\d{2})(\d{2})?$/);
  return (sign === "-" ? -1 : 1) * (Number(d) + Number(m) / 60 + Number(sec ?? 0) / 3600);
};
const zones = rows("/data/zone1970.tab").map(([codes, place, zone]) => {
  const [, lat, lon] = place.match(/^([+-]\d+)([+-]\d+)$/);
  return { code: codes.split(",")[0], zone, at: [degrees(lat), degrees(lon)] };
});
console.log(`${zones.length} zones in ${countries.size} countries`);

// One office for each country, in its first zone; all asked at once.
const seen = new Set();
const offices = zones.filter((z) => !seen.has(z.code) && seen.add(z.code));
const wanted = ["BR", "DE", "JP", "KE", "NZ", "US", "IN", "GB"];
const asked = await Promise.all(
  offices.filter((o) => wanted.includes(o.code)).map(async (o) => ({ ...o, staff: (await tools.headcount({ country: o.code })).staff })),
);
asked.sort((a, b) => b.staff - a.staff);

// Clock changes, one external program for each zone; distances from the largest office.
const lines = [];
const told = [], refused = [];
for (const office of asked) {
  const text = await tools.zone_changes({ zone: office.zone });
  const changes = [...text.matchAll(/UT = (\w+ \w+ +\d+ [\d:]+) 2026 (\S+) isdst=(\d)/g)].filter((_, i) => i % 2 === 1);
  const { km } = await tools.distance({ from: asked[0].at, to: office.at });
  lines.push(`| ${countries.get(office.code)} | ${office.zone} | ${office.staff} | ${Math.round(km)} | ${changes.map((c) => `${c[1]} ${c[2]}`).join(", ") || "none"} |`);
  if (changes.length === 0) continue;
  try {
    await tools.notify({ zone: office.zone, text: `${changes.length} clock changes in 2026` });
    told.push(office.zone);
  } catch (e) {
    if (!(e instanceof ToolDenied)) throw e;
    console.warn(`${e.name}: ${e.message}`);
    refused.push(office.zone);
  }
}

const report = ["# Clock changes 2026", "", "| country | zone | staff | km | changes |", "|---|---|---|---|---|", ...lines, ""].join("\n");
fs.writeFileSync("/workspace/report.md", report);
console.log(`wrote /workspace/report.md, ${report.length} characters`);
return { offices: asked.length, told, refused };
