// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// In the whole window: the compare page follows the one selection, its changes become the policy's, reports are written,
// and the sheet before an export says what would happen.
#include "app/exportcontroller.h"
#include "app/exportdialog.h"
#include "support/samplecalibration.h"
#include "support/windowdriver.h"
#include "widgets/models/planmodel.h"
#include "widgets/panels/comparefigures.h"
#include "widgets/panels/comparepage.h"
#include "widgets/plots/overlayplot.h"

#include <QCheckBox>
#include <QComboBox>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSignalSpy>
#include <QUndoStack>

using namespace ql;

namespace {

const QString kModel = QStringLiteral(QL_RESOURCES "/models/loupe-3m");
const QString kOther = QStringLiteral(QL_RESOURCES "/models/loupe-3m-outliers");
constexpr const char* kQuery = "model.layers.0.self_attn.q_proj.weight";

QString cell(const QAbstractItemModel& model, int row, int column)
{
    return model.index(row, column).data().toString();
}

} // namespace

class TestReportViews : public QObject
{
    Q_OBJECT

    std::unique_ptr<test::WindowDriver> m_driver; ///< one window for all; every test leaves the policy as it was

private Q_SLOTS:
    void initTestCase()
    {
        m_driver = std::make_unique<test::WindowDriver>();
        QVERIFY(m_driver->open(kModel));
    }
    void cleanupTestCase() { m_driver.reset(); }

    void theComparePageFollowsTheSelection()
    {
        test::WindowDriver& driver = *m_driver;
        QVERIFY(driver.select(kQuery));
        driver.trigger("comparePage");
        auto* page = driver.window().findChild<ComparePage*>();
        QVERIFY(page->isVisible());
        QVERIFY(driver.settle());
        auto* figures = page->findChild<CompareFigures*>();
        const QString before = cell(*figures, 0, CompareFigures::AColumn);
        QVERIFY(before != QStringLiteral("…"));
        QVERIFY(page->findChild<OverlayPlot*>()->hasData());
        QVERIFY(driver.select("model.layers.1.mlp.down_proj.weight"));
        QVERIFY(cell(*figures, 0, CompareFigures::AColumn) != before);
        QVERIFY(page->findChild<OverlayPlot*>()->caption().contains("down_proj"));
        const QString a = cell(*figures, 0, CompareFigures::AColumn), b = cell(*figures, 0, CompareFigures::BColumn);
        driver.trigger("compareSwap");
        QVERIFY(driver.settle());
        QCOMPARE(cell(*figures, 0, CompareFigures::AColumn), b);
        QCOMPARE(cell(*figures, 0, CompareFigures::BColumn), a);
    }

    void aChangeBecomesThePolicys()
    {
        test::WindowDriver& driver = *m_driver;
        driver.trigger("comparePage");
        auto* page = driver.window().findChild<ComparePage*>();
        page->setOperand(ComparePage::A, {CompareOperand::Kind::CurrentPolicy, {}});
        page->setOperand(ComparePage::B, {CompareOperand::Kind::Scheme, "int8,channel"});
        Q_EMIT page->operandsChanged();
        QVERIFY(driver.settle());
        const ChangesModel& changes = *page->changes();
        QCOMPARE(changes.rowCount(), 28); // every linear of four blocks
        for (int row = 0; row < changes.rowCount(); ++row) {
            QVERIFY(changes.changes()[size_t(row)].errorFrom.value_or(0) > changes.changes()[size_t(row)].errorTo.value_or(1));
            QCOMPARE(cell(changes, row, ChangesModel::ToColumn), QStringLiteral("int8,channel"));
        }
        const int query = driver.window().session()->model()->indexOf(kQuery);
        Q_EMIT page->applyRequested({query});
        QCOMPARE(driver.decision(kQuery).scheme.text(), std::string("int8,channel"));
        QVERIFY(driver.settle());
        QCOMPARE(changes.rowCount(), 27);
        driver.window().session()->undoStack()->undo();
        QVERIFY(driver.settle());
        QCOMPARE(changes.rowCount(), 28);
    }

    void anotherFileIsComparedValueByValue()
    {
        test::WindowDriver& driver = *m_driver;
        QVERIFY(driver.select(kQuery));
        driver.trigger("comparePage");
        auto* page = driver.window().findChild<ComparePage*>();
        page->setOperand(ComparePage::A, {CompareOperand::Kind::Original, {}});
        page->setOperand(ComparePage::B, {CompareOperand::Kind::ModelFile, kOther});
        Q_EMIT page->operandsChanged();
        QVERIFY(driver.settle());
        auto* figures = page->findChild<CompareFigures*>();
        QCOMPARE(cell(*figures, 0, CompareFigures::AColumn), QStringLiteral("∞"));
        const double sqnr = cell(*figures, 0, CompareFigures::BColumn).toDouble();
        QVERIFY2(sqnr > 10 && sqnr < 25, qPrintable(cell(*figures, 0, CompareFigures::BColumn)));
        page->setOperand(ComparePage::B, {CompareOperand::Kind::ModelFile, "/nowhere"});
        Q_EMIT page->operandsChanged();
        QVERIFY(driver.settle());
        QCOMPARE(cell(*figures, 0, CompareFigures::BColumn), QStringLiteral("…"));
    }

    void aReportIsWritten()
    {
        test::WindowDriver& driver = *m_driver;
        auto* exports = driver.window().findChild<ExportController*>();
        QSignalSpy finished(exports, &ExportController::finished), failed(exports, &ExportController::failed);
        const QString path = driver.folder().filePath("report.html");
        exports->reportTo(path, driver.window().backend(), nullptr, nullptr);
        QVERIFY(driver.settle());
        QCOMPARE(finished.size(), 1);
        QFile file(path);
        QVERIFY(file.open(QIODevice::ReadOnly));
        QVERIFY(file.readAll().contains(kQuery));
        exports->reportTo(driver.folder().filePath("report.pdf"), driver.window().backend(), nullptr, nullptr);
        QCOMPARE(failed.size(), 1);
    }

    /// What a policy weighs by is known to the sheet, or named as missing.
    void theSheetAsksTheCalibration()
    {
        test::WindowDriver& driver = *m_driver;
        Session* session = driver.window().session();
        auto* exports = driver.window().findChild<ExportController*>();
        Policy policy = session->policy();
        policy.defaultScheme = Scheme::parse("q4_k,imatrix").value();
        session->changePolicy(policy, QStringLiteral("weighed"));
        QVERIFY(driver.settle());
        const auto problemOf = [&] {
            exports->askAndExportModel(driver.window().backend());
            auto* sheet = driver.window().findChild<ExportDialog*>();
            auto* format = sheet->findChild<QComboBox*>();
            format->setCurrentIndex(format->findData(int(ExportFormat::Gguf)));
            sheet->findChild<QLineEdit*>()->setText(driver.folder().filePath("weighed.gguf"));
            const bool settled = driver.settle(); // planned by a job
            QString problem = QString::number(sheet->table()->fallbacks());
            for (const auto* button : sheet->findChildren<QPushButton*>())
                problem += button->text() == "Write" ? button->toolTip() : QString();
            delete sheet;
            return settled ? problem : QStringLiteral("not settled");
        };
        QVERIFY2(problemOf().contains("calibration"), qPrintable(problemOf()));
        exports->setCalibration(test::sampleCalibration(*session->model()));
        QCOMPARE(problemOf(), QStringLiteral("0"));
        exports->setCalibration(nullptr);
        session->undoStack()->undo();
        QVERIFY(driver.settle());
    }

    void theSheetSaysWhatWouldBeWritten()
    {
        test::WindowDriver& driver = *m_driver;
        driver.trigger("exportModel");
        auto* sheet = driver.window().findChild<ExportDialog*>();
        QVERIFY(sheet);
        QVERIFY(driver.settle());
        const auto lines = sheet->findChildren<QLabel*>();
        QVERIFY(std::any_of(lines.begin(), lines.end(), [](const QLabel* label) { return label->text().contains("estimated"); }));
        auto* format = sheet->findChild<QComboBox*>();
        format->setCurrentIndex(format->findData(int(ExportFormat::Gguf)));
        QVERIFY(driver.settle()); // planned by a job
        QVERIFY(sheet->path().endsWith(".gguf"));
        QVERIFY2(!sheet->path().startsWith(QL_RESOURCES), qPrintable(sheet->path()));
        QCOMPARE(sheet->options().format, ExportFormat::Gguf);
        QVERIFY(sheet->table()->fallbacks() > 20); // GGUF has no INT4
        auto* path = sheet->findChild<QLineEdit*>();
        path->setText(driver.folder().filePath("out.gguf"));
        const auto buttons = sheet->findChildren<QPushButton*>();
        const auto write = std::find_if(buttons.begin(), buttons.end(), [](const auto* button) { return button->text() == "Write"; });
        QVERIFY(write != buttons.end());
        QVERIFY((*write)->isEnabled());
        const auto boxes = sheet->findChildren<QCheckBox*>();
        const auto refuse = std::find_if(boxes.begin(), boxes.end(), [](const auto* box) { return box->text().startsWith("Refuse"); });
        (*refuse)->setChecked(true);
        QVERIFY(!(*write)->isEnabled());
        QVERIFY((*write)->toolTip().contains("as asked"));
        (*refuse)->setChecked(false);
        path->setText(QString::fromStdString(kModel.toStdString()));
        QVERIFY(!(*write)->isEnabled()); // a folder
        path->setText(driver.folder().filePath("out.gguf"));
        QSignalSpy finished(driver.window().findChild<ExportController*>(), &ExportController::finished);
        sheet->accept();
        QVERIFY(driver.settle());
        QCOMPARE(finished.size(), 1);
        QVERIFY(QFile::exists(driver.folder().filePath("out.gguf")));
    }
};

QTEST_MAIN(TestReportViews)
#include "tst_reportviews.moc"
