#!/usr/bin/env python3
"""Tests for the page of `mbrl_gpu tune report`, in a browser: tune_report_test.py PROGRAM

Chromium shows it in both color schemes, 1280 and 400 pixels wide. Exit code 127, as of a program that is not there,
without Chromium.
MBRL_SCREENSHOTS=DIR keeps what it shows.
"""
import base64
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "mbrl_gpu"
BROWSER = next((found for name in ("chromium", "chromium-browser", "google-chrome")
                if (found := shutil.which(name))), None)
WIDTHS = (1280, 400)
SCHEMES = ("light", "dark")
STEPS, FIRST = 60000, 10000

SPACE = {"sac.learning_rate": {"low": 1e-5, "high": 1e-2, "log": True},
         "model.holdout_ratio": {"low": 0.05, "high": 0.4},
         "sac.updates_per_step": {"low": 1, "high": 40},
         "sac.hidden_sizes": {"choices": [[64, 64], [256, 256], [512, 512, 512]]}}


def distribution(entry):
    if "choices" in entry:
        return {"name": "CategoricalDistribution", "attributes": {"choices": [json.dumps(c) for c in entry["choices"]]}}
    attributes = {"low": entry["low"], "high": entry["high"], "log": entry.get("log", False)}
    if isinstance(entry["low"], int):
        return {"name": "IntDistribution", "attributes": {**attributes, "step": 1}}
    return {"name": "FloatDistribution", "attributes": {**attributes, "step": None}}


def drawn(draws):
    values = {}
    for key, entry in SPACE.items():
        if "choices" in entry:
            values[key] = draws.randrange(len(entry["choices"]))
        elif isinstance(entry["low"], int):
            values[key] = draws.randint(entry["low"], entry["high"])
        elif entry.get("log"):
            values[key] = math.exp(draws.uniform(math.log(entry["low"]), math.log(entry["high"])))
        else:
            values[key] = draws.uniform(entry["low"], entry["high"])
    return values


def worth(values, draws):
    """A return that the learning rate decides most."""
    return 3000 - 900 * (math.log10(values["sac.learning_rate"]) + 3.3) ** 2 + draws.gauss(0, 150)


class Study:
    """The folder of a study as a search leaves it."""

    def __init__(self, folder, method, seed, num_trials=45):
        self.folder, self.draws = folder, random.Random(f"{method} {seed}")
        os.makedirs(folder)
        tune = {"space": SPACE, "method": method, "seeds": 1, "rungs": "scratch"}
        config = {"name": "hopper_rates_of_a_search", "algorithm": "mbpo", "seed": seed, "env": {"name": "hopper"},
                  "loop": {"num_env_steps": STEPS}, "tune": tune}
        self.lines = [{"op_code": 0, "study_name": "hopper", "directions": [2]},
                      {"op_code": 2, "study_id": 0, "user_attr": {"mbrl_gpu": {"config": config, "files": []}}}]
        kinds = {key: json.dumps(distribution(entry)) for key, entry in SPACE.items()}
        self.values = [drawn(self.draws) for _ in range(num_trials)]
        for plan, values in enumerate(self.values):
            self.lines.append({"op_code": 4, "study_id": 0, "state": 4, "values": None, "distributions": kinds,
                               "params": values, "user_attrs": {"plan": plan}})
        getattr(self, "population" if "pbt" in method else method)()
        with open(os.path.join(folder, "journal.log"), "w") as journal:
            journal.writelines(json.dumps(line) + "\n" for line in self.lines)

    def score(self, trial, steps, value):
        self.lines.append({"op_code": 7, "trial_id": trial, "step": steps, "intermediate_value": value})

    def end(self, trial, value, state=1):
        self.lines.append({"op_code": 6, "trial_id": trial, "state": state, "values": [value]})

    def random(self):
        for trial, values in enumerate(self.values):
            if trial % 20 == 7:
                self.lines.append({"op_code": 8, "trial_id": trial, "user_attr": {
                    "error": "env step 4000: gaussian_nll of member 3 of the ensemble is nan <after> 17 updates & more"}})
                self.lines.append({"op_code": 6, "trial_id": trial, "state": 3, "values": None})
                continue
            value = worth(values, self.draws)
            self.score(trial, STEPS, value)
            self.end(trial, value)

    def hyperband(self):
        going = list(range(len(self.values)))
        for steps in (STEPS // 9, STEPS // 3, STEPS):
            found = {trial: worth(self.values[trial], self.draws) * steps / STEPS for trial in going}
            for trial in going:
                self.score(trial, steps, found[trial])
            best = sorted(going, key=found.get, reverse=True)[:max(1, len(going) // 3)]
            for trial in going:
                if steps == STEPS or trial not in best:
                    self.end(trial, found[trial], 1 if steps == STEPS else 2)
            going = best

    def population(self):
        copies = {trial: [] for trial in range(len(self.values))}
        found = {}
        for step in range(FIRST, STEPS + 1, FIRST):
            found = {trial: worth(self.values[trial], self.draws) * step / STEPS for trial in copies}
            for trial, value in found.items():
                self.score(trial, step, value)
            order = sorted(found, key=found.get)
            for trial in order[:8] if step < STEPS else []:
                copies[trial].append({"step": step, "from": self.draws.choice(order[-8:])})
        for trial, value in found.items():
            self.lines.append({"op_code": 8, "trial_id": trial, "user_attr": {"lineage": copies[trial]}})
            self.end(trial, value)

    def test(self, trial):
        for seed in range(100, 110):
            run = os.path.join(self.folder, "test", f"trial-{trial:04}", "hopper", "0a1b2c3d", f"seed-{seed}")
            os.makedirs(run)
            with open(os.path.join(run, "metrics.csv"), "w") as table:
                table.write("env_steps,eval_return_mean\n")
                table.writelines(f"{step},{2500 + self.draws.gauss(0, 200)}\n" for step in range(FIRST, STEPS + 1, FIRST))
            with open(os.path.join(run, "summary.json"), "w") as summary:
                json.dump({"status": "done"}, summary)


class Browser:
    """Chromium without a window, spoken to through pipes (Chrome DevTools Protocol)."""

    def __init__(self, profile):
        requests, replies = os.pipe(), os.pipe()

        def descriptors():
            high = [os.dup(end) for end in (requests[0], replies[1])]
            while min(high) < 20:
                high = [os.dup(end) for end in high]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)
        self.process = subprocess.Popen(
            [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-extensions", "--disable-component-update",
             "--hide-scrollbars", "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"],
            close_fds=False, preexec_fn=descriptors, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(requests[0])
        os.close(replies[1])
        self.write, self.read = os.fdopen(requests[1], "wb", buffering=0), os.fdopen(replies[0], "rb")
        self.number, self.session, self.events, self.bytes = 0, None, [], b""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(domain + ".enable")

    def close(self):
        self.write.close()
        self.process.kill()
        self.process.wait()
        self.read.close()

    def message(self):
        while b"\0" not in self.bytes:
            part = self.read.read1(1 << 16)
            if not part:
                raise RuntimeError("the browser has ended")
            self.bytes += part
        text, self.bytes = self.bytes.split(b"\0", 1)
        return json.loads(text)

    def ask(self, method, **params):
        self.number += 1
        request = {"id": self.number, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        self.write.write(json.dumps(request).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def show(self, path, width, scheme):
        self.events.clear()
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.ask("Page.navigate", url="file://" + path)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.message())

    def value(self, expression):
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"])
        return result["result"].get("value")

    def picture(self, file):
        height = self.value("document.documentElement.scrollHeight")
        self.ask("Emulation.setDeviceMetricsOverride", width=self.value("innerWidth"), height=min(height, 12000),
                 deviceScaleFactor=1, mobile=False)
        with open(file, "wb") as out:
            out.write(base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]))


# what a reader could not read: a list of texts
LOOK = r"""
(() => {
  const wrong = [];
  for (const one of document.querySelectorAll('details')) one.open = true;
  if (document.documentElement.scrollWidth > innerWidth)
    wrong.push(`the page is ${document.documentElement.scrollWidth} pixels wide`);
  for (const element of document.querySelectorAll('body *:not(svg):not(svg *)')) {
    const style = getComputedStyle(element);
    if (style.overflowX === 'auto' || style.display === 'inline') continue;
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0 && !element.closest('.scroll'))
      wrong.push(`cut off or hangs out: ${element.tagName} ${element.textContent.trim().slice(0, 60)}`);
  }
  const figures = [...document.querySelectorAll('figure svg')];
  for (const svg of figures) {
    const place = svg.getBoundingClientRect(), name = svg.closest('figure').textContent.trim().slice(-70);
    const drawn = [...svg.querySelectorAll('path, polyline, polygon, line, rect')].filter(e => {
      const box = e.getBBox();
      return e.tagName !== 'rect' && box.width + box.height > 5;
    });
    if (drawn.length < 5 || place.width < 200 || place.height < 100)
      wrong.push(`a figure with ${drawn.length} lines of ${place.width} x ${place.height}: ${name}`);
    const texts = [...svg.querySelectorAll('text')].map(e => [e.textContent, e.getBoundingClientRect(), e]);
    for (const [text, box] of texts)
      if (box.left < place.left - 1 || box.right > place.right + 1 || box.top < place.top - 1 ||
          box.bottom > place.bottom + 1)
        wrong.push(`"${text}" leaves its figure: ${name}`);
    for (let i = 0; i < texts.length; ++i)
      for (let j = i + 1; j < texts.length; ++j) {
        const a = texts[i][1], b = texts[j][1];
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        // a line's box is higher than its letters
        if (across > 1 && down > 0.4 * Math.min(a.height, b.height))
          wrong.push(`"${texts[i][0]}" lies over "${texts[j][0]}": ${name}`);
      }
    for (const [text, , e] of texts) {
      const size = parseFloat(getComputedStyle(e).fontSize) * place.width / svg.viewBox.baseVal.width;
      if (size < 7) wrong.push(`"${text}" is ${size.toFixed(1)} pixels high: ${name}`);
    }
  }
  const light = color => {
    const part = color.match(/[\d.]+/g).slice(0, 3).map(x => x / 255)
      .map(x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const ground = getComputedStyle(document.body).backgroundColor;
  for (const element of document.querySelectorAll('p, span, td, figcaption, summary, h1, h2, h3, code')) {
    const a = light(getComputedStyle(element).color), b = light(ground);
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) wrong.push(`contrast ${contrast.toFixed(1)}: ${element.textContent.slice(0, 40)}`);
  }
  return {wrong, figures: figures.length, ground};
})()
"""


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        at = cls.folder.name
        for method in ("random", "hyperband", "pbt"):
            for seed in (0, 1):
                study = Study(os.path.join(at, "studies", f"{method}-{seed}"), method, seed, 40 if method == "pbt" else 45)
                study.test(seed)
        cls.pages = {}
        for name, studies in {"all": ["studies"], "one": ["studies/pbt-0"]}.items():
            subprocess.run([PROGRAM, "tune", "report", *studies, "--out", f"{name}.html"], cwd=at, check=True,
                           stdout=subprocess.DEVNULL)
            cls.pages[name] = os.path.join(at, name + ".html")
        cls.browser = Browser(os.path.join(at, "profile"))

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.folder.cleanup()

    def each(self):
        for name, path in self.pages.items():
            for width in WIDTHS:
                for scheme in SCHEMES:
                    self.browser.show(path, width, scheme)
                    yield name, width, scheme

    def test_a_reader_can_read_all_of_it(self):
        grounds = {}
        for name, width, scheme in self.each():
            found = self.browser.value(LOOK)
            if "MBRL_SCREENSHOTS" in os.environ:
                self.browser.picture(os.path.join(os.environ["MBRL_SCREENSHOTS"], f"{name}-{width}-{scheme}.png"))
            self.assertEqual(found["wrong"], [], f"{name}, {width} pixels, {scheme}")
            # best over steps and trials, histogram; each study its values, a population its lineage
            self.assertEqual(found["figures"], 3 + 4 + 4 if name == "all" else 3 + 2)
            grounds.setdefault(scheme, found["ground"])
            requests = [event["params"]["request"]["url"] for event in self.browser.events
                        if event.get("method") == "Network.requestWillBeSent"]
            self.assertEqual(requests, ["file://" + self.pages[name]])
            said = [event for event in self.browser.events
                    if event.get("method") in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")]
            self.assertEqual(said, [])
        self.assertEqual(grounds, {"light": "rgb(255, 255, 255)", "dark": "rgb(23, 23, 23)"})

    def test_it_says_what_was_found(self):
        self.browser.show(self.pages["all"], 1280, "light")
        self.browser.value("document.querySelectorAll('details').forEach(one => one.open = true)")
        text = self.browser.value("document.body.innerText")
        for words in ("Searches of hopper_rates_of_a_search on hopper", "test seeds (from 100 on) are apart",
                      "random search is beside the others", "member 3 of the ensemble is nan <after> 17 updates & more"):
            self.assertIn(words, text)
        self.assertIsNone(re.search(r"\bnan\b(?! <after>)", text), "no number is nan")
        self.assertIsNone(re.search(r"0\.0*[1-9]\d{6}", text), "no number has more digits than a reader wants")


if __name__ == "__main__":
    if BROWSER is None:
        print("skipped: this needs Chromium; on Debian, apt-get install chromium")
        sys.exit(127)
    unittest.main()
