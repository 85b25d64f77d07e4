// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The budget search of the window on the bundled model: measuring, budgets that move, locks, sharing, references,
// adopting, calibrations that come and go, cancelling.
#include "app/searchviews.h"
#include "app/snapshots.h"
#include "core/quant/schemetable.h"
#include "core/search/candidates.h"
#include "support/windowdriver.h"
#include "widgets/panels/budgetpage.h"
#include "support/patience.h"

#include <QAbstractButton>
#include <QSignalSpy>
#include <QSlider>

using namespace ql;

namespace {

const QString kModel = QStringLiteral(QL_RESOURCES "/models/loupe-3m");
const char* const kQuery = "model.layers.0.self_attn.q_proj.weight";
const char* const kKey = "model.layers.0.self_attn.k_proj.weight";

Scheme scheme(const char* text)
{
    return Scheme::parse(text).value();
}

/// One window for all tests, which takes longer to make than a model to open; a closed model leaves nothing behind.
struct Fixture {
    test::WindowDriver driver;
    MainWindow& window = driver.window();
    Session* session = window.session();
    SearchController* search = window.searchController();
    BudgetPage* page = window.findChild<BudgetPage*>();
    FrontPlot* front = page->findChild<FrontPlot*>();
    QSignalSpy failed{search, &SearchController::failed};
    QSignalSpy noted{search, &SearchController::noted};

    void reset()
    {
        session->undoStack()->setClean(); // nobody is asked about unsaved edits
        driver.trigger("closeModel");
        QVERIFY(driver.settle() && !search->search() && !front->hasData());
        failed.clear();
        noted.clear();
    }
    /// Presets take a while to be placed.
    bool ready(bool withPresets = false)
    {
        driver.trigger("budgetPage");
        if (!driver.open(kModel))
            return false;
        if (!withPresets)
            search->setReferences({search->references().front()});
        return true;
    }
    SearchController::Request request(const char* candidates = "int3,group=64;int4,group=64;int6,group=64") const
    {
        return {SearchMeasure::Weight, parseCandidates(candidates).value(), false, {}};
    }
    bool measured(const SearchController::Request& wanted)
    {
        search->measure(wanted);
        return driver.settle() && search->search() != nullptr;
    }
    uint64_t range(double share) const
    {
        const AllocationProblem& problem = search->search()->problem();
        return problem.smallestBytes() + uint64_t(share * double(problem.largestBytes() - problem.smallestBytes()));
    }
    uint64_t presentBytes() const
    {
        uint64_t bytes = 0;
        for (size_t i = 0; i < session->decisions().size(); ++i) {
            const TensorInfo& info = session->model()->tensors()[i];
            const Decision& decision = session->decisions()[i];
            bytes += decision.asStored ? info.bytes : storedBytes(decision.scheme, info.rows(), info.cols());
        }
        return bytes;
    }
    QAbstractButton* button(const char* text) const
    {
        for (QAbstractButton* child : page->findChildren<QAbstractButton*>()) {
            if (child->text() == QLatin1String(text))
                return child;
        }
        return nullptr;
    }
};

} // namespace

class TestSearchController : public QObject
{
    Q_OBJECT
    std::unique_ptr<Fixture> m_fixture;

private Q_SLOTS:
    void initTestCase() { m_fixture = std::make_unique<Fixture>(); }
    void cleanup() { m_fixture->reset(); }
    void cleanupTestCase() { m_fixture.reset(); }

    void theBudgetStartsAtWhatThePolicyTakes()
    {
        Fixture& f = *m_fixture;
        QVERIFY(f.ready());
        QVERIFY(!f.search->search());
        QVERIFY(f.measured(f.request()));
        QCOMPARE(f.search->budget(), f.presentBytes()); // int4 with groups of 128 lies within the candidates
        QVERIFY(f.search->found() && f.search->found()->bytes <= f.search->budget());
        QVERIFY(f.search->found()->exact);
        QVERIFY(f.front->hasData());
        QVERIFY(f.failed.isEmpty());
    }

    void theLastOfManyBudgetsCounts()
    {
        Fixture& f = *m_fixture;
        QVERIFY(f.ready() && f.measured(f.request()));
        QSignalSpy found(f.search, &SearchController::foundChanged);
        for (int i = 0; i <= 100; ++i)
            f.search->setBudget(f.range(i / 100.0));
        f.search->setBudget(f.range(0.25));
        QL_TRY_COMPARE(found.size(), 1); // the others were never solved
        QVERIFY(f.search->found()->bytes <= f.range(0.25));
        QVERIFY(f.search->found()->bytes > f.range(0.2));
        QCOMPARE(f.search->found()->cost, f.search->search()->problem().solve(f.range(0.25))->cost);
    }

    void adoptingIsOneStepThatCanBeUndone()
    {
        Fixture& f = *m_fixture;
        QVERIFY(f.ready() && f.measured(f.request("int3,group=64;int4,group=64;f16")));
        const Policy before = f.session->policy();
        f.search->setBudget(f.range(0.4));
        f.search->adopt(); // solves what is still waiting
        QCOMPARE(f.session->undoStack()->count(), 1);
        QCOMPARE(f.presentBytes(), f.search->found()->bytes);
        const Override& entry = f.session->policy().tensors.at(kQuery);
        QVERIFY(!entry.locked && !entry.note.empty());
        QVERIFY(f.driver.settle());
        // A float format that the search chose is no lock: the whole range stays open.
        QVERIFY(f.search->stale().isEmpty());
        const uint64_t smallest = f.search->search()->problem().smallestBytes();
        QVERIFY(f.measured(f.request("int3,group=64;int4,group=64;f16")));
        QCOMPARE(f.search->search()->problem().smallestBytes(), smallest);
        const auto& now = f.search->references().front();
        QVERIFY(now.cost && now.cost->bytes == f.presentBytes());
        QVERIFY(std::abs(now.cost->error - f.search->found()->cost) < 1e-9);
        f.session->undoStack()->undo();
        QCOMPARE(f.session->policy(), before);
    }

    void locksAreFollowed()
    {
        Fixture& f = *m_fixture;
        QVERIFY(f.ready() && f.measured(f.request()));
        const int query = f.session->model()->indexOf(kQuery);
        f.session->setSchemes({{query, scheme("int8,channel")}}, "int8");
        QVERIFY(f.driver.settle());
        const Shared<BudgetSearch> unlocked = f.search->search();
        f.session->setLocked({query}, true);
        QVERIFY(f.driver.settle());
        QVERIFY(f.search->search() != unlocked && f.search->stale().isEmpty());
        QCOMPARE(f.search->search()->table().rows[size_t(query)].state, CostTable::State::Locked);
        f.search->setBudget(f.range(0.5));
        f.search->adopt();
        QCOMPARE(f.session->policy().tensors.at(kQuery).scheme, scheme("int8,channel"));
        // Unseen, edits wait until the page is seen again.
        f.driver.trigger("weightsPage");
        const Shared<BudgetSearch> unseen = f.search->search();
        f.session->setLocked({query}, false);
        QVERIFY(f.driver.settle());
        QCOMPARE(f.search->search(), unseen);
        f.driver.trigger("budgetPage");
        QVERIFY(f.driver.settle());
        QCOMPARE(f.search->search()->table().rows[size_t(query)].state, CostTable::State::Searched);
        QVERIFY(f.failed.isEmpty());
    }

    void siblingsShareAndContradictionsAreNamed()
    {
        Fixture& f = *m_fixture;
        QVERIFY(f.ready() && f.measured(f.request()));
        const auto alone = f.search->search()->parts().size();
        QTest::mouseClick(f.button("One scheme in q/k/v, gate/up"), Qt::LeftButton);
        QCOMPARE(alone - f.search->search()->parts().size(), size_t(4 * 3)); // k and v, up, of four blocks
        f.search->setBudget(f.range(0.5));
        f.search->adopt();
        QCOMPARE(f.session->policy().tensors.at(kQuery).scheme, f.session->policy().tensors.at(kKey).scheme);
        Policy contradicting = f.session->policy();
        contradicting.tensors[kQuery] = {scheme("int8,channel"), true, {}};
        contradicting.tensors[kKey] = {scheme("int5"), true, {}};
        f.session->changePolicy(contradicting, "locks");
        QVERIFY(f.driver.settle());
        QCOMPARE(f.failed.size(), 1);
        QVERIFY(!f.search->search());
        QTest::mouseClick(f.button("One scheme in q/k/v, gate/up"), Qt::LeftButton);
        QVERIFY(f.search->search());
    }

    void outputErrorsGoWithTheirCalibration()
    {
        Fixture& f = *m_fixture;
        QVERIFY(f.ready());
        SearchController::Request request = f.request();
        request.measure = SearchMeasure::Output;
        QVERIFY(f.search->unavailable()[size_t(SearchMeasure::Output)].contains("calibration"));
        f.search->measure(request);
        QVERIFY(f.driver.settle());
        QVERIFY(!f.search->search() && !f.noted.isEmpty());
        SequenceSettings few = f.window.runController()->defaultSequences();
        few.length = 32;
        few.count = 2;
        f.window.runController()->calibrate(few, {});
        QVERIFY(f.driver.settle());
        QCOMPARE(f.search->unavailable()[size_t(SearchMeasure::Output)], QString());
        QVERIFY(f.measured(request));
        QCOMPARE(f.search->search()->table().rows[size_t(f.session->model()->indexOf(kQuery))].basis, std::string("gram"));
        f.window.runController()->discardCalibration();
        QVERIFY(!f.search->search());
        QVERIFY(f.search->stale().contains("calibration"));
        QVERIFY(f.measured(f.request()));
        f.window.runController()->discardCalibration();
        QVERIFY(f.search->search()); // weights know nothing of calibrations
    }

    void divergencesAreMeasuredAndWaitForANewMeasurement()
    {
        Fixture& f = *m_fixture;
        QVERIFY(f.ready());
        SearchController::Request request = f.request("int3,group=64");
        request.measure = SearchMeasure::Kl;
        request.sequences = f.window.runController()->heldOutSequences();
        f.search->measure(request);
        QVERIFY(f.search->isMeasuring());
        f.search->cancel(); // minutes on a slow machine
        QVERIFY(f.driver.settle(60000));
        QVERIFY(!f.search->search() && !f.search->isMeasuring());
        QVERIFY2(f.noted.last()[0].toString().contains("Cancelled"), qPrintable(f.noted.last()[0].toString()));

        request.sequences.length = 16;
        request.sequences.count = 1;
        QVERIFY(f.measured(request));
        const Shared<BudgetSearch> first = f.search->search();
        QCOMPARE(first->table().tokens, uint64_t(15));
        const int query = f.session->model()->indexOf(kQuery);
        QVERIFY(first->table().rows[size_t(query)].cells[0].error > 0);
        QVERIFY(!f.search->references().front().cost); // its scheme was no candidate, and nothing runs unasked
        // A lock to what was measured is followed at once, one to something else has to be asked for.
        f.session->setSchemes({{query, scheme("int3,group=64")}}, "int3");
        f.session->setLocked({query}, true);
        QVERIFY(f.driver.settle());
        QVERIFY(f.search->search() != first && f.search->stale().isEmpty());
        Policy other = f.session->policy();
        other.tensors[kQuery].scheme = scheme("int8,channel");
        f.session->changePolicy(other, "int8");
        QVERIFY(f.driver.settle());
        QVERIFY(f.search->stale().contains("measure again"));
        QVERIFY(!f.button("Adopt")->isEnabled());
        QVERIFY(f.measured(request));
        QVERIFY(f.search->stale().isEmpty() && f.button("Adopt")->isEnabled());
        QCOMPARE(f.search->search()->table().rows[size_t(query)].cells[0].scheme, scheme("int8,channel"));
    }

    void anotherModelForgetsEverything()
    {
        Fixture& f = *m_fixture;
        QVERIFY(f.ready() && f.measured(f.request()));
        f.search->measure(f.request("int2;int8"));
        f.driver.trigger("closeModel");
        QVERIFY(f.driver.settle());
        QVERIFY(!f.search->search() && !f.search->isMeasuring() && !f.front->hasData());
        QVERIFY(f.ready() && f.measured(f.request()));
        QVERIFY(f.failed.isEmpty());
    }

    void thePageIsUsedByMouseAndKeys()
    {
        Fixture& f = *m_fixture;
        QVERIFY(f.ready());
        QTest::mouseClick(f.button("Measure"), Qt::LeftButton);
        QVERIFY(f.search->isMeasuring());
        QVERIFY(f.driver.settle());
        QVERIFY(f.front->hasData());
        auto* slider = f.page->findChild<QSlider*>();
        QTest::keyClick(slider, Qt::Key_Home);
        QL_TRY_COMPARE(f.search->found()->bytes, f.search->search()->problem().smallestBytes());
        for (int i = 0; i < 5; ++i)
            QTest::keyClick(slider, Qt::Key_PageUp);
        QL_TRY_VERIFY(f.search->found()->bytes > f.range(0.2));
        const QPoint from = f.front->budgetPixel().toPoint(), to = from + QPoint(60, 0);
        QTest::mousePress(f.front, Qt::LeftButton, {}, from);
        QTest::mouseMove(f.front, to);
        QTest::mouseRelease(f.front, Qt::LeftButton, {}, to);
        const uint64_t budget = f.search->budget();
        QL_TRY_VERIFY(f.search->found()->bytes <= budget && f.search->found()->bytes > f.range(0.3));
        QTest::mouseClick(f.button("Adopt"), Qt::LeftButton);
        QCOMPARE(f.presentBytes(), f.search->found()->bytes);
        QTest::keyClick(&f.window, Qt::Key_Z, Qt::ControlModifier);
        QVERIFY(f.session->policy().tensors.empty());
        QVERIFY(f.failed.isEmpty());
    }

    void presetsAndFilesLieBesideTheFront()
    {
        Fixture& f = *m_fixture;
        QVERIFY(f.ready(true) && f.measured(f.request()));
        const auto& references = f.search->references();
        QVERIFY(references.size() > 5);
        for (const auto& reference : references)
            QVERIFY2(reference.placed && reference.cost, qPrintable(reference.label));
        Policy saved;
        saved.defaultScheme = scheme("int6,group=64");
        const QString path = f.driver.folder().filePath("six bits.json");
        QVERIFY(saved.save(path.toStdString()).ok());
        f.window.findChild<SearchViews*>()->addPolicy(path);
        QVERIFY(f.driver.settle());
        const auto find = [&] {
            return std::find_if(references.begin(), references.end(), [](const auto& r) { return r.label == "six bits"; });
        };
        auto six = find();
        QVERIFY(six != references.end() && six->cost);
        QCOMPARE(six->cost->bytes, f.search->search()->problem().largestBytes());
        Snapshots* snapshots = f.window.findChild<Snapshots*>();
        snapshots->add("five bits", {}, [] {
            Policy policy;
            policy.defaultScheme = scheme("int5,group=64");
            return policy;
        }());
        QVERIFY(f.driver.settle());
        const auto five = std::find_if(references.begin(), references.end(), [](const auto& r) { return r.label == "five bits"; });
        QVERIFY(five != references.end() && five->cost && five->cost->error > 0);
        six = find(); // the list was made anew
        // A click adopts it.
        const int mark = int(six - references.begin());
        QTest::qWait(50);
        f.front->setView({0, 17}, {1e-6, 10}); // nothing near it that could be meant instead
        QTest::qWait(20);
        Q_EMIT f.page->markPicked(mark);
        QCOMPARE(f.session->policy().defaultScheme, scheme("int6,group=64"));
        Q_EMIT f.page->markPicked(0); // the present policy: nothing to adopt
        QCOMPARE(f.session->undoStack()->count(), 1);
        QL_TRY_VERIFY(f.search->references().front().cost && f.search->references().front().cost->bytes == six->cost->bytes);
    }
};

QTEST_MAIN(TestSearchController)
#include "tst_searchcontroller.moc"
