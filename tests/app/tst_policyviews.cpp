// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The policy's views in the whole window, on the bundled model.
#include "app/policyviews.h"
#include "app/snapshotviews.h"
#include "support/windowdriver.h"
#include "widgets/models/rulesmodel.h"
#include "widgets/panels/comparepage.h"
#include "widgets/panels/historypanel.h"
#include "widgets/panels/rulespanel.h"
#include "support/patience.h"

#include <QApplication>
#include <QDialog>
#include <QTableView>
#include <QTimer>

using namespace ql;

namespace {

const QString kModel = QStringLiteral(QL_RESOURCES "/models/loupe-3m");
const char* const kDown = "model.layers.1.mlp.down_proj.weight";

} // namespace

class TestPolicyViews : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void presetsAndSnapshotsAreSingleSteps()
    {
        test::WindowDriver driver;
        MainWindow& window = driver.window();
        QVERIFY(driver.open(kModel));
        Session& session = *window.session();
        const Policy start = session.policy();
        driver.trigger("preset-mixed");
        QCOMPARE(session.undoStack()->count(), 1);
        QCOMPARE(driver.decision(kDown).source, Decision::Source::Default); // second of four blocks
        const Policy mixed = session.policy();
        QVERIFY(driver.settle());
        auto* rules = window.findChild<RulesPanel*>();
        QL_TRY_COMPARE(rules->findChild<QTableView*>()->model()->index(0, RulesModel::MatchesColumn).data().toString(), QString("4"));

        auto* history = window.findChild<HistoryPanel*>();
        QTimer::singleShot(0, &window, [] {
            if (auto* asked = qobject_cast<QDialog*>(QApplication::activeModalWidget()))
                asked->accept();
        });
        driver.trigger("takeSnapshot");
        QCOMPARE(window.policyViews()->snapshots()->all().all().size(), size_t(1));
        session.undoStack()->undo();
        QVERIFY(session.policy() == start);
        Q_EMIT history->compareWanted(0);
        auto* page = window.findChild<ComparePage*>();
        QVERIFY(page->isVisible());
        QCOMPARE(page->operand(ComparePage::A).kind, CompareOperand::Kind::CurrentPolicy);
        QCOMPARE(page->operand(ComparePage::B).kind, CompareOperand::Kind::Snapshot);
        QVERIFY(driver.settle());
        const auto changes = page->changes()->changes();
        QVERIFY(changes.size() > 2);
        for (const TensorChange& change : changes)
            QVERIFY(change.errorFrom && change.errorTo && *change.errorTo < *change.errorFrom); // INT8 for INT4
        Q_EMIT page->applyRequested({changes[0].tensor, changes[1].tensor});
        QCOMPARE(session.undoStack()->count(), 1); // both as one step, in place of what was undone
        QCOMPARE(size_t(page->changes()->rowCount()), changes.size() - 2);
        Q_EMIT history->restoreWanted(0);
        QVERIFY(session.policy() == mixed);
        QCOMPARE(page->changes()->rowCount(), 0);
        session.undoStack()->undo();
        session.undoStack()->undo();
        QVERIFY(session.policy() == start);
        QVERIFY(driver.settle());
    }
};

QTEST_MAIN(TestPolicyViews)
#include "tst_policyviews.moc"
