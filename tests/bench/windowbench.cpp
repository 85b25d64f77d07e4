// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// windowbench [MODEL TENSOR]: what a person waits for, in milliseconds, medians over repetitions: from the start to a
// usable window, from a moved clip handle to the repainted preview, a full repaint of the weights page, and opening.
#include "support/windowdriver.h"
#include "widgets/plots/distributionplot.h"

#include <QApplication>
#include <QElapsedTimer>
#include <QSignalSpy>

#include <algorithm>
#include <cstdio>

using namespace ql;

namespace {

double median(std::vector<double> values)
{
    std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(values.size() / 2), values.end());
    return values[values.size() / 2];
}

void print(const char* what, const std::vector<double>& ms, double goalMs)
{
    const double typical = median(ms);
    std::printf("%-58s %8.2f ms   worst %8.2f ms   goal %5.1f ms   %s\n", what, typical,
                *std::max_element(ms.begin(), ms.end()), goalMs, typical <= goalMs ? "reached" : "missed");
}

double millisecondsOf(const std::function<void()>& work)
{
    QElapsedTimer timer;
    timer.start();
    work();
    return double(timer.nsecsElapsed()) / 1e6;
}

/// A handle moves: the edit goes out, the preview comes back, the page is painted.
std::vector<double> previewFrames(test::WindowDriver& driver, Scheme scheme)
{
    WeightsPage* page = driver.window().weightsPage();
    auto* analyser = driver.window().findChild<Analyser*>();
    QSignalSpy ready(analyser, &Analyser::quantizationReady);
    std::vector<double> frames;
    scheme.clip = ClipMethod::Ratio;
    for (int i = 0; i < 60; ++i) {
        scheme.clipParameter = 0.4 + 0.01 * i;
        frames.push_back(millisecondsOf([&] {
            ready.clear();
            Q_EMIT page->schemeEdited(scheme, false);
            ready.wait(5000);
            page->repaint();
        }));
    }
    Q_EMIT page->schemeEdited(scheme, true);
    driver.settle();
    frames.erase(frames.begin(), frames.begin() + 5); // the first ones take the sample
    return frames;
}

} // namespace

int main(int argc, char** argv)
{
    QApplication application(argc, argv);
    const QString model = argc > 1 ? QString::fromLocal8Bit(argv[1]) : QStringLiteral(QL_RESOURCES "/models/loupe-3m");
    const char* tensor = argc > 2 ? argv[2] : "model.layers.1.mlp.down_proj.weight";

    std::vector<double> starts;
    for (int i = 0; i < 5; ++i) {
        starts.push_back(millisecondsOf([] {
            test::WindowDriver driver;
            driver.window().repaint();
        }));
    }
    print("start to a usable window", starts, 300);

    test::WindowDriver driver({1920, 1080});
    bool opened = false;
    std::vector<double> opens{millisecondsOf([&] {
        driver.window().openPath(model);
        opened = QTest::qWaitFor([&] { return driver.window().session()->model() != nullptr; }, 60000);
    })};
    print("open the model (headers)", opens, 1000);
    if (!opened || !driver.settle(300000) || !driver.select(tensor))
        return 1;
    const auto scheme = Scheme::parse("int4,group=128").value();
    driver.window().session()->setSchemes({{driver.window().session()->model()->indexOf(tensor), scheme}}, "bench");
    driver.settle(60000);
    print("clip handle moved to preview painted, int4 group 128", previewFrames(driver, scheme), 16);
    const auto nf4 = Scheme::parse("nf4,group=64").value();
    driver.window().session()->setSchemes({{driver.window().session()->model()->indexOf(tensor), nf4}}, "bench");
    driver.settle(60000);
    print("clip handle moved to preview painted, nf4 group 64", previewFrames(driver, nf4), 16);

    auto* plot = driver.window().findChild<DistributionPlot*>();
    std::vector<double> paints;
    for (int i = 0; i < 50; ++i) {
        plot->setView({-0.2 - 0.001 * i, 0.2}, plot->yRange());
        paints.push_back(millisecondsOf([&] { plot->grab(); }));
    }
    print("repaint of the distribution after a zoom", paints, 4);
    return 0;
}
